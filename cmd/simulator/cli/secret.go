package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret bounds a file with a token or a password.
const maxSecret = 4 << 10

// readToken reads the DC API's token; no file is no token.
func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	token, err := readSecret(path)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return token, nil
}

func readSecret(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the operator's, or of the state folder
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// bmcPassword gives the password of the management controllers' user, which is made once and kept in the state folder.
func bmcPassword(state string) (string, error) {
	path := filepath.Join(state, "bmc-password")
	password, err := readSecret(path)
	if err == nil {
		return password, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the management controllers' password: %w", err)
	}
	// In the place of one that a crash left empty there is none yet; a half of one is not written.
	password = rand.Text()
	begun := path + ".new"
	if err := os.WriteFile(begun, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the management controllers' password: %w", err)
	}
	if err := os.Rename(begun, path); err != nil {
		return "", fmt.Errorf("keeping the management controllers' password: %w", err)
	}
	return password, nil
}
