package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"stargate.io/stargate/simulator/statefile"
)

// convert makes the base of what was downloaded and verified, unless there is one with its digest. Its record is
// written last: without it there is no base. It gives the size of the disk.
func (s *Store) convert(ctx context.Context, w wanted, p *partial, got sums, report func(Progress)) (int64, error) {
	select {
	case s.converter <- struct{}{}:
		defer func() { <-s.converter }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if r, ok := s.base(got.sha256); ok {
		return r.Size, s.touch(name(got.sha256))
	}
	format, size, err := s.examine(ctx, w, p)
	if err != nil {
		return 0, err
	}
	report(Progress{Step: Converting, Total: size})
	if err := s.flatten(ctx, p.file, format, size, got, report); err != nil {
		return 0, err
	}
	made := record{SHA256: got.sha256, SHA512: got.sha512, Size: rounded(size), Format: format}
	if err := recordFormat.Write(s.record(got.sha256), made); err != nil {
		return 0, fmt.Errorf("noting what the image is: %w", err)
	}
	return rounded(size), nil
}

// examine refuses what is not to be converted, and tells the format and the size of the disk of what is.
func (s *Store) examine(ctx context.Context, w wanted, p *partial) (format string, size int64, err error) {
	format, size, err = inspect(p.file, p.size, w.source.Format)
	switch {
	case err != nil:
		return "", 0, err
	case size > s.bounds.Disk:
		return "", 0, fail(TooLarge, "it is a disk of %d GiB, and at most %d are taken", size>>30, s.bounds.Disk>>30)
	case size == 0:
		return "", 0, fail(Unsafe, "it is a disk of no size")
	}
	if err := s.secondOpinion(ctx, p.file, format, size); err != nil {
		return "", 0, err
	}
	if format == QCOW2 {
		err = s.checkTables(ctx, p.file)
	}
	return format, size, err
}

const sector = 512

// rounded is the size of a disk whose image is not of whole sectors.
func rounded(size int64) int64 { return (size + sector - 1) / sector * sector }

// opinion is what qemu-img info says, as far as it is looked at.
type opinion struct {
	Format    string `json:"format"`
	Size      int64  `json:"virtual-size"`
	Encrypted bool   `json:"encrypted"`
	Backing   string `json:"backing-filename"`
	FullName  string `json:"full-backing-filename"`
	Specific  struct {
		Data struct {
			DataFile string          `json:"data-file"`
			Corrupt  bool            `json:"corrupt"`
			Encrypt  json.RawMessage `json:"encrypt"`
		} `json:"data"`
	} `json:"format-specific"`
}

// onlyLeaks is how qemu-img check ends where there are clusters that nothing uses, and nothing worse.
const onlyLeaks = 3

// checkTables has what the header refers to checked: what is not there is read as zeros by all else, without a word.
func (s *Store) checkTables(ctx context.Context, file *os.File) error {
	_, err := s.run(ctx, order{args: []string{"check", "-q", "-f", QCOW2, "--output=json", given}, file: file, time: s.bounds.Convert, fine: onlyLeaks})
	var e *Error
	if errors.As(err, &e) && e.Kind == Unsafe {
		return fail(Unsafe, "it is damaged, or was cut short before it was published: qemu-img check finds errors in it")
	}
	return err
}

// secondOpinion asks qemu-img, which was not let near the file before, whether it reads the header as we did.
func (s *Store) secondOpinion(ctx context.Context, file *os.File, format string, size int64) error {
	out, err := s.run(ctx, order{
		args: []string{"info", "-f", format, "--output=json", given}, file: file, time: infoTime,
	})
	if err != nil {
		return err
	}
	var o opinion
	if err := json.Unmarshal(out, &o); err != nil {
		return fail(Unsafe, "qemu-img says something of it that cannot be read")
	}
	switch {
	case o.Backing != "" || o.FullName != "" || o.Specific.Data.DataFile != "":
		return fail(Unsafe, "it refers to another file: give one that stands alone")
	case o.Encrypted || len(o.Specific.Data.Encrypt) > 0:
		return fail(Unsafe, "it is encrypted: give one that is not")
	case o.Specific.Data.Corrupt:
		return fail(Unsafe, "it is marked as corrupt")
	case o.Format != format || o.Size != rounded(size):
		return fail(Unsafe, "qemu-img reads it as a disk of %d bytes, and its header says %d", o.Size, size)
	}
	return nil
}

var percent = regexp.MustCompile(`\((\d{1,3})\.\d+/100%\)`)

// flatten converts the file under a name that is removed when found, and names it when it is whole.
func (s *Store) flatten(ctx context.Context, file *os.File, format string, size int64, got sums, report func(Progress)) error {
	free, err := s.free()
	if err != nil {
		return err
	}
	room := free - s.bounds.Reserve
	if room <= 0 {
		return fail(HostFull, "there is no room to convert it: free some of the disk")
	}
	begun := s.path(got.sha256) + ".new"
	_, err = s.run(ctx, order{
		args: []string{"convert", "-p", "-f", format, "-O", QCOW2, given, made}, file: file, out: begun, time: s.bounds.Convert,
		output: min(s.bounds.Converted, room), full: room < s.bounds.Converted,
		line: func(line []byte) {
			if found := percent.FindSubmatch(line); found != nil {
				if done, err := strconv.Atoi(string(found[1])); err == nil {
					report(Progress{Step: Converting, Done: size / 100 * int64(done), Total: size})
				}
			}
		},
	})
	if err == nil {
		err = keep(begun, s.path(got.sha256))
	}
	if err != nil {
		_ = os.Remove(begun) // what is left is removed when the store is opened
		return err
	}
	return nil
}

// keep a finished base: on disk, read-only, and only then by its name.
func keep(begun, path string) error {
	file, err := os.Open(begun) //nolint:gosec // of the store's own making
	if err != nil {
		return fmt.Errorf("keeping the image: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := file.Chmod(0o400); err != nil {
		return fmt.Errorf("keeping the image: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("keeping the image: %w", err)
	}
	if err := statefile.Rename(begun, path); err != nil {
		return fmt.Errorf("keeping the image: %w", err)
	}
	return nil
}
