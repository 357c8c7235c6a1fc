package statefile

import (
	"fmt"
	"os"
	"path/filepath"
)

// Rename gives a finished file the name that it is known by, for good once it returns nil: for what is too large or of
// another form than Write's. Its content is to be on disk already.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("naming a finished file: %w", err)
	}
	return syncFolder(filepath.Dir(to))
}
