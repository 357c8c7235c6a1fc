package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// loadFile copies a file of this host: what is hashed and converted is then the store's own, and nobody writes in it.
func (s *Store) loadFile(ctx context.Context, w wanted, p *partial, had *entry, report func(Progress)) error {
	file, info, err := s.openFile(w.url.Path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	identity := identify(info)
	if had.File == identity && identity != "" {
		return errSame
	}
	if err := p.restart(mark{Size: info.Size()}); err != nil {
		return err
	}
	limit, err := s.limit(p)
	if err != nil {
		return err
	}
	if info.Size() > limit.bytes {
		return limit.exceeded()
	}
	if err := p.copy(&untilDone{ctx: ctx, from: file}, limit, report); err != nil {
		return orCause(ctx, err)
	}
	if after, err := file.Stat(); err != nil || identify(after) != identity {
		return fail(Unavailable, "it was written while it was copied")
	}
	had.File = identity
	return nil
}

// untilDone reads until a context has ended.
type untilDone struct {
	ctx  context.Context //nolint:containedctx // of one copy
	from *os.File
}

func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.from.Read(p)
}

// openFile opens a regular file in one of the folders allowed. No link leads out of them.
func (s *Store) openFile(path string) (*os.File, os.FileInfo, error) {
	path = filepath.Clean(path)
	for _, folder := range s.folders {
		inside, err := filepath.Rel(folder, path)
		if err != nil || !filepath.IsLocal(inside) {
			continue
		}
		return openIn(folder, inside)
	}
	if len(s.folders) == 0 {
		return nil, nil, fail(Forbidden, "files of this host are not given as images: no folder is allowed")
	}
	return nil, nil, fail(Forbidden, "it is not in a folder that images may be in: %s", strings.Join(s.folders, ", "))
}

func openIn(folder, inside string) (*os.File, os.FileInfo, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, nil, openError(err)
	}
	defer func() { _ = root.Close() }()
	// Without waiting: what is no file may be a pipe that nobody writes to.
	file, err := root.OpenFile(inside, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, openError(err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fail(BadSource, "it is no regular file")
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

func openError(err error) error {
	var of *os.PathError
	if errors.As(err, &of) && strings.Contains(of.Err.Error(), "escapes") {
		return fail(Forbidden, "it is a link that leads out of its folder")
	}
	if missing(err) {
		return fail(NotFound, "there is no such file")
	}
	return fmt.Errorf("opening the file: %w", err)
}

// identify a file's content as far as that can be told without reading it.
func identify(info os.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d:%d.%d:%d.%d", stat.Dev, stat.Ino, stat.Size, stat.Mtim.Sec, stat.Mtim.Nsec, stat.Ctim.Sec, stat.Ctim.Nsec)
}
