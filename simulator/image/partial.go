package image

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// partial is a download that is not whole yet: KEY.partial, and beside it KEY.mark, which says of what. The mark is
// written before the first byte, so that bytes never go on to be taken for those of another file.
type partial struct {
	path string
	file *os.File
	mark mark
	size int64
	// joined from more than one answer of the server.
	joined bool
}

// openPartial opens or makes it. One that cannot be gone on with is begun again.
func openPartial(base string) (*partial, error) {
	file, err := os.OpenFile(base+".partial", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // of the store's own making
	if err != nil {
		return nil, fmt.Errorf("opening the download: %w", err)
	}
	p := &partial{path: base, file: file, mark: mark{Size: -1}}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the download: %w", err), file.Close())
	}
	p.size = info.Size()
	if p.size == 0 {
		return p, nil
	}
	if markFormat.Read(base+".mark", &p.mark) != nil || p.mark.strong() == "" {
		if err := p.restart(mark{Size: -1}); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return p, nil
}

// resumable is where to go on; zero for the beginning.
func (p *partial) resumable() int64 {
	if p.mark.strong() == "" {
		return 0
	}
	return p.size
}

// restart throws away what there is.
func (p *partial) restart(m mark) error {
	had := p.size
	p.mark, p.size = m, 0
	if had == 0 {
		return nil
	}
	// Gone for good before a new mark says what the bytes are of.
	if err := errors.Join(p.file.Truncate(0), p.file.Sync()); err != nil {
		return fmt.Errorf("beginning the download again: %w", err)
	}
	return nil
}

// isWhole tells whether all of it has come already.
func (p *partial) isWhole() bool { return p.size > 0 && p.size == p.mark.Size }

// bound on what is downloaded: what is taken at all, or what there is room for.
type bound struct {
	bytes int64
	full  bool // it is the host that bounds
}

func (b bound) exceeded() error {
	if b.full {
		return fail(HostFull, "there is room for %d MiB only: free some of the disk", b.bytes>>20)
	}
	return fail(TooLarge, "it is more than %d MiB to download", b.bytes>>20)
}

// begin fits the file to what the server is about to send.
func (p *partial) begin(response *http.Response, limit bound) error {
	if response.StatusCode == http.StatusPartialContent {
		at, whole, ok := resumesAt(response.Header.Get("Content-Range"))
		if !ok || at != p.size || p.size == 0 {
			return errors.Join(p.restart(mark{Size: -1}), fail(Unavailable, "the server sends another part than was asked for"))
		}
		if whole >= 0 {
			p.mark.Size = whole
		}
		p.joined = true
	} else if err := p.restart(markOf(response)); err != nil {
		return err
	}
	if p.mark.Size > limit.bytes {
		return limit.exceeded()
	}
	if err := markFormat.Write(p.path+".mark", p.mark); err != nil {
		return fmt.Errorf("noting what is downloaded: %w", err)
	}
	return nil
}

// copy appends what comes. What has come stays, whatever happens, until a limit is passed.
func (p *partial) copy(body io.Reader, limit bound, report func(Progress)) error {
	buffer := make([]byte, 256<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if p.size+int64(n) > limit.bytes {
				return errors.Join(p.restart(mark{Size: -1}), limit.exceeded())
			}
			if _, err := p.file.WriteAt(buffer[:n], p.size); err != nil {
				return fmt.Errorf("writing the download: %w", err)
			}
			p.size += int64(n)
			report(Progress{Step: Downloading, Done: p.size, Total: p.mark.Size})
		}
		if errors.Is(err, io.EOF) {
			return p.whole()
		}
		if err != nil {
			return fail(Unavailable, "the download broke off at %d MiB: %w", p.size>>20, err)
		}
	}
}

// whole refuses an end that came too early.
func (p *partial) whole() error {
	if p.mark.Size >= 0 && p.size < p.mark.Size {
		return fail(Unavailable, "the download broke off at %d of %d bytes", p.size, p.mark.Size)
	}
	return nil
}

func (p *partial) close() error { return p.file.Close() }

// remove it, once it is not needed.
func (p *partial) remove() error {
	var errs []error
	for _, name := range []string{p.path + ".partial", p.path + ".mark"} {
		if err := os.Remove(name); err != nil && !missing(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
