package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"stargate.io/stargate/simulator/statefile"
)

// Overlay makes a disk of size bytes over a base: it holds what differs from it. After a crash there is a whole disk at
// path or none; what was begun is called PATH.new, and the next Overlay takes its place. Errors: *Error where the base
// is larger, TooLarge, or not kept, NotFound.
func (s *Store) Overlay(ctx context.Context, digest, path string, size int64) error {
	sha256 := strings.TrimPrefix(digest, "sha256:")
	r, ok := s.base(sha256)
	if !ok {
		return about(Source{URL: digest}, fail(NotFound, "no such base image is kept: it is to be got first"))
	}
	if size < r.Size {
		return about(Source{URL: digest}, fail(TooLarge, "it is a disk of %d MiB, and the machine's is of %d: give it a larger one", r.Size>>20, size>>20))
	}
	if !filepath.IsAbs(path) {
		return fmt.Errorf("making disk %q: its path is to be absolute", path)
	}
	if err := s.overlay(ctx, sha256, path, size); err != nil {
		return fmt.Errorf("making disk %s: %w", path, err)
	}
	return s.touch(digest)
}

func (s *Store) overlay(ctx context.Context, sha256, path string, size int64) error {
	begun := path + ".new"
	// The base is not looked at (-u): it is there, and is not the tool's to read.
	_, err := s.run(ctx, order{
		args: []string{"create", "-q", "-u", "-f", QCOW2, "-F", QCOW2, "-b", s.path(sha256), made, strconv.FormatInt(rounded(size), 10)},
		out:  begun, time: infoTime, output: maxEmpty,
	})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(begun, os.O_RDWR, 0) //nolint:gosec // in the machine's folder
	if err != nil {
		return err
	}
	if err := errors.Join(file.Chmod(0o600), file.Sync(), file.Close()); err != nil {
		return err
	}
	return statefile.Rename(begun, path)
}

// Path of a base image; it need not be there.
func (s *Store) Path(digest string) string { return s.path(strings.TrimPrefix(digest, "sha256:")) }

// maxEmpty bounds the file of a disk that nothing was written to.
const maxEmpty = 1 << 30
