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

// dcToken gives the DC API's token: that of a file, or one that is made once and kept in the state folder. Without any,
// everybody with an account on this host could wipe the machines.
func dcToken(file, state string) (string, error) {
	if file == "" {
		return ownSecret(state, "dc-token")
	}
	token, err := readSecret(file)
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

// bmcPassword gives the password of the management controllers' user.
func bmcPassword(state string) (string, error) { return ownSecret(state, "bmc-password") }

// ownSecret gives a secret that is made once, and kept in the state folder under a name.
func ownSecret(state, name string) (string, error) {
	path := filepath.Join(state, name)
	secret, err := readSecret(path)
	if err == nil {
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the simulator's own %s: %w", name, err)
	}
	// A crash leaves none or a whole one.
	secret = rand.Text()
	begun := path + ".new"
	if err := os.WriteFile(begun, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the simulator's own %s: %w", name, err)
	}
	if err := os.Rename(begun, path); err != nil {
		return "", fmt.Errorf("keeping the simulator's own %s: %w", name, err)
	}
	return secret, nil
}
