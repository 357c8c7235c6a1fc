// Package statefile keeps small state on disk so that a crash leaves the old or the new, never half of either.
//
// In: a value and the path of its file. Out: the value again, after any crash, or an error that says why not. A file is
// JSON under a head that names what it holds and in which version, so that a simulator never guesses at what a newer one
// wrote.
//
//	Write: .NAME-*.new ─ write ─ fsync ─ rename ─▶ NAME ─ fsync folder
//	         └─ left by a crash: Sweep removes it
//
// A state folder has one owner at a time, who holds its Lock. It must never read more than it was told to, follow a
// link, or wait on what is not a file.
package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// MaxBytes is how large a file may be. A job with its cloud-init documents, of a megabyte each, fits well.
const MaxBytes = 16 << 20

// suffix of a file that is being written.
const suffix = ".new"

// Errors that somebody decides on. A file that is not there is fs.ErrNotExist.
var (
	// ErrDamaged: the file is no state file of this kind. It is never overwritten by reading it.
	ErrDamaged = errors.New("damaged state file")
	// ErrVersion: the file is of a version that this simulator does not know.
	ErrVersion = errors.New("state file of another version")
)

// Format of a file: what it holds, and in which version. A change that an older simulator would misread counts the
// version up.
type Format struct {
	Kind    string
	Version int
}

// envelope is what a file looks like.
type envelope struct {
	Kind    string          `json:"kind"`
	Version int             `json:"version"`
	State   json.RawMessage `json:"state"`
}

// Write puts a value into a file, in the place of what was there. When it returns nil the new is there after a power
// cut; when it returns an error, or the process dies in it, the old or the new is. The folder is to exist, and the path
// is written by one goroutine at a time.
func (f Format) Write(path string, value any) error {
	state, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	text, err := json.MarshalIndent(envelope{Kind: f.Kind, Version: f.Version, State: state}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	if len(text) >= MaxBytes {
		return fmt.Errorf("writing %s: %d bytes are more than the %d that would be read again", path, len(text), MaxBytes)
	}
	if err := replace(path, append(text, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// replace writes a file beside the path and renames it. CreateTemp makes it 0600: cloud-init documents hold secrets.
func replace(path string, text []byte) error {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, "."+filepath.Base(path)+"-*"+suffix)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncFolder(folder)
}

// Read gives what Write put into a file. Fields that the value does not have are damage: to drop them would lose what
// somebody wrote.
// Errors: fs.ErrNotExist, ErrDamaged, ErrVersion, or the file cannot be read.
func (f Format) Read(path string, into any) error {
	text, err := load(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	var head envelope
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("reading %s: %w: %w", path, ErrDamaged, err)
	}
	if head.Kind != f.Kind {
		return fmt.Errorf("reading %s: %w: it holds %.40q, not %q", path, ErrDamaged, head.Kind, f.Kind)
	}
	if head.Version != f.Version {
		return fmt.Errorf("reading %s: %w: it is version %d, and this simulator knows %d: run the simulator that wrote it",
			path, ErrVersion, head.Version, f.Version)
	}
	decoder := json.NewDecoder(bytes.NewReader(head.State))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("reading %s: %w: %w", path, ErrDamaged, err)
	}
	return nil
}

// load reads a plain file of at most MaxBytes. It follows no link, and does not wait for whom a pipe would wait for.
func load(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) //nolint:gosec // the path is the caller's
	if err != nil {
		if errors.Is(err, syscall.ELOOP) {
			return nil, fmt.Errorf("%w: it is a link", ErrDamaged)
		}
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is not a plain file", ErrDamaged)
	case info.Size() > MaxBytes:
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrDamaged, info.Size(), MaxBytes)
	}
	return io.ReadAll(io.LimitReader(file, MaxBytes))
}

// Remove takes a file away, for good once it returns nil. One that is not there is removed.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("removing a state file: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// Sweep removes what writers that died left in a folder. Nobody is to be writing there: it is for who starts.
func Sweep(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("looking for unfinished files: %w", err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, ".") && strings.HasSuffix(name, suffix) {
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				return fmt.Errorf("removing an unfinished file: %w", err)
			}
		}
	}
	return nil
}

// MakeFolder makes a folder that only its owner can read, for good once it returns nil. Its parent is to exist.
func MakeFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making a state folder: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("making a state folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("making a state folder: %s is there, and is no folder: move it away", path)
	}
	// One that was there already may be wider open than disks and cloud-init documents deserve.
	if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a folder without x cannot be entered
		return fmt.Errorf("closing a state folder to others: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder outlive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // the folder is the caller's
	if err != nil {
		return fmt.Errorf("opening a state folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("writing a state folder down: %w", err)
	}
	return nil
}
