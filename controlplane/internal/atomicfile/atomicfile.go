// Package atomicfile writes small files so that a reader, or a crash, sees the
// old content or the new and never half of either.
//
// In: a path, bytes and a mode. Out: the file, on disk. It must never loosen
// the mode asked for, not even for a moment: it writes private keys.
package atomicfile

import (
	"fmt"
	"os"
	"path/filepath"
)

// Write replaces the file at path with data and mode. The folder must exist.
// The content is synced before it takes the name, and nothing is left behind
// when an error is returned.
func Write(path string, data []byte, mode os.FileMode) (err error) {
	// CreateTemp makes the file 0600, so that a secret is never readable by others on its way.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
