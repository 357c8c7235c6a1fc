package seed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kdomanski/iso9660"

	"stargate.io/stargate/simulator/statefile"
)

// Write makes the seed's ISO file. After a crash there is the old file or the new; what was begun is called PATH.new,
// and the next Write takes its place. Errors: *simulator.Refused for a seed that cannot be, see Check.
func Write(path string, s Seed) error {
	documents, err := s.Documents()
	if err != nil {
		return err
	}
	begun := path + ".new"
	if err := writeISO(begun, documents); err != nil {
		return errors.Join(fmt.Errorf("writing the seed of %s: %w", s.Server.Name, err), os.Remove(begun))
	}
	if err := statefile.Rename(begun, path); err != nil {
		return fmt.Errorf("writing the seed of %s: %w", s.Server.Name, err)
	}
	return nil
}

// StageIn has seeds put together in a folder, which is emptied: the library that writes them first writes their
// documents, secrets too, into files of its own under TMPDIR, and a killed one leaves them there. To be called when the
// program starts: it is for the whole of it.
func StageIn(folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("emptying the seeds' folder: %w", err)
	}
	if err := statefile.MakeFolder(folder); err != nil {
		return fmt.Errorf("making the seeds' folder: %w", err)
	}
	return os.Setenv("TMPDIR", folder)
}

// writeISO writes documents to a new file that only its owner reads: there are secrets in them.
func writeISO(path string, documents map[string][]byte) (err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	writer, err := iso9660.NewWriter()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Cleanup()) }()
	names := make([]string, 0, len(documents))
	for name := range documents {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := writer.AddFile(bytes.NewReader(documents[name]), name); err != nil {
			return err
		}
	}
	if err := writer.WriteTo(file, Label); err != nil {
		return err
	}
	return file.Sync()
}
