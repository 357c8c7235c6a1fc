package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// Merge rows into a file of rows, in place of those with the same names; the file need not be there.
// Errors: the file cannot be read, holds something else, or cannot be written.
func Merge(file string, rows ...Row) error {
	var all []Row
	text, err := os.ReadFile(file) // #nosec G304 -- the file that the caller names
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the rows of %s: %w", file, err)
	}
	for _, row := range rows {
		all = slices.DeleteFunc(all, func(old Row) bool { return old.Name == row.Name })
		all = append(all, row)
	}
	if text, err = json.MarshalIndent(all, "", "  "); err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the rows: %w", err)
	}
	return nil
}
