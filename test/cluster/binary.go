package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// binary returns the path of the control plane's binary, from the cache or
// built now. STARGATE_CONTROLPLANE names one to use instead.
func binary(root string) (string, error) {
	if path := os.Getenv("STARGATE_CONTROLPLANE"); path != "" {
		return path, nil
	}
	cmd := exec.Command(filepath.Join(root, "hack", "controlplane.sh"), "build")
	cmd.Stderr = os.Stderr // "first time: … some minutes"
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("building the control plane: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// repoRoot walks up from the working directory, which in a test is its
// package's, to the main module. (The path of the source file would not do: a
// build with -trimpath hides it.)
func repoRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(b, []byte("module stargate.io/stargate\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("finding the repository: no go.mod of stargate.io/stargate above the working directory")
		}
		dir = parent
	}
}
