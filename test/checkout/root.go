// Package checkout finds the checkout that a test runs in, for what a test needs of it besides its own package: scripts,
// programs, other folders.
//
// In: the working directory, which in a test is its package's. Out: the folder of the main module. It must not ask where
// a source file is: a build with -trimpath hides that.
package checkout

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Root walks up to the go.mod of the main module, past those of others, and gives its folder.
// Errors: there is none above.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the checkout: %w", err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(text, []byte("module stargate.io/stargate\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("finding the checkout: no go.mod of stargate.io/stargate above the working directory")
		}
		dir = parent
	}
}
