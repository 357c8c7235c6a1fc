package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator/account"
)

// Config of a Store.
type Config struct {
	// Dir is the store's folder, of its own.
	Dir string
	// Folders in which files of file URLs may be. A profile's author is not root, and is not to read what root can.
	Folders []string
	// Keyring is a file with the OpenPGP keys of publishers, binary or armored; empty leaves signatures unchecked.
	Keyring string
	// Publishers whose lists of checksums are asked for; nil takes Publishers.
	Publishers []Publisher
	Bounds     Bounds
	// RunAs are the user ids of which each call of qemu-img gets one; zero is root.
	RunAs account.Range
}

// Bounds of what is taken. Zero values take those of Limits.
type Bounds struct {
	// Download, Disk and Converted are the most bytes of a file as it is downloaded, of the disk in it, and of what
	// becomes of it here.
	Download, Disk, Converted int64
	// Reserve of the disk that is never filled by images.
	Reserve int64
	// Stall ends a request that brings nothing for so long; Whole ends a Get, and Convert each call of qemu-img.
	Stall, Whole, Convert time.Duration
	// Tries without a byte, and the Pause after the first of them.
	Tries int
	Pause time.Duration
}

// Limits are the bounds of who sets none.
var Limits = Bounds{
	Download: 16 << 30, Disk: 256 << 30, Converted: 32 << 30, Reserve: 1 << 30,
	Stall: 30 * time.Second, Whole: 2 * time.Hour, Convert: 20 * time.Minute,
	Tries: 5, Pause: time.Second,
}

func (b Bounds) orLimits() Bounds {
	orSize := func(set *int64, or int64) {
		if *set == 0 {
			*set = or
		}
	}
	orTime := func(set *time.Duration, or time.Duration) {
		if *set == 0 {
			*set = or
		}
	}
	orSize(&b.Download, Limits.Download)
	orSize(&b.Disk, Limits.Disk)
	orSize(&b.Converted, Limits.Converted)
	orSize(&b.Reserve, Limits.Reserve)
	orTime(&b.Stall, Limits.Stall)
	orTime(&b.Whole, Limits.Whole)
	orTime(&b.Convert, Limits.Convert)
	orTime(&b.Pause, Limits.Pause)
	if b.Tries == 0 {
		b.Tries = Limits.Tries
	}
	return b
}

// Store of base images. Its methods are safe for concurrent use.
type Store struct {
	dir        string
	folders    []string
	keyring    string
	publishers []Publisher
	bounds     Bounds
	client     *http.Client
	runAs      account.Range

	mu      sync.Mutex
	flights map[string]*flight
	// converter is one place: converting takes all of a host's cores and disk.
	converter chan struct{}
}

// Open a store, and undo what a killed one left half done; downloads are kept, to be gone on with.
func Open(config Config) (*Store, error) {
	if !filepath.IsAbs(config.Dir) {
		return nil, fmt.Errorf("opening the image store: folder %q: it is to be an absolute path", config.Dir)
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the image store: %w", err)
	}
	s := &Store{
		dir: config.Dir, folders: config.Folders, keyring: config.Keyring, publishers: config.Publishers, bounds: config.Bounds.orLimits(),
		runAs:   config.RunAs,
		flights: map[string]*flight{}, converter: make(chan struct{}, 1),
	}
	if s.publishers == nil {
		s.publishers = Publishers
	}
	s.client = newClient(s.bounds)
	if err := s.undo(); err != nil {
		return nil, fmt.Errorf("opening the image store: %w", err)
	}
	return s, nil
}

// Base image.
type Base struct {
	// Digest of the file that was downloaded, as "sha256:<hex>": the base's name.
	Digest string
	// Path of the flat, read-only qcow2.
	Path string
	// Size of the disk in it, in bytes.
	Size int64
	// Verified says how it is known to be what was asked for.
	Verified Verified
	// Note is for people: that a newer one could not be asked for.
	Note string
}

// Step of a Get.
type Step string

// The steps, in their order.
const (
	Downloading Step = "downloading"
	Verifying   Step = "verifying"
	Converting  Step = "converting"
)

// Progress of a Get. Total is below zero where it is not known.
type Progress struct {
	Step        Step
	Done, Total int64
}

// Get gives the base image of a source: the one that is kept where that is known to be the same, a downloaded one
// otherwise. Gets of the same source at the same time share one download, and each is told of its progress; report
// may be nil. Errors: *Error, or the context's cause. What was downloaded stays for the next Get.
func (s *Store) Get(ctx context.Context, source Source, report func(Progress)) (Base, error) {
	w, err := source.read()
	if err != nil {
		return Base{}, err
	}
	if base, ok := s.known(w.checksum); ok {
		return base, s.touch(base.Digest)
	}
	base, err := s.share(ctx, w, report)
	if err != nil && ctx.Err() == nil {
		err = about(w.source, err)
	}
	return base, err
}

// get carries out what share shares.
func (s *Store) get(ctx context.Context, w wanted, report func(Progress)) (Base, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.bounds.Whole, fail(Unavailable, "it was not got within %s", s.bounds.Whole))
	defer cancel()
	p, err := openPartial(filepath.Join(s.dir, w.key()))
	if err != nil {
		return Base{}, err
	}
	base, err := s.bring(ctx, w, p, report)
	if errors.Is(err, errMixed) {
		p.joined = false
		base, err = s.bring(ctx, w, p, report)
	}
	err = errors.Join(err, p.close())
	if err == nil || Permanent(err) {
		return base, errors.Join(err, p.remove())
	}
	return base, err
}

// errMixed: what was put together from parts is not what it should be, and may be if it is got in one.
var errMixed = errors.New("what was downloaded in parts has another checksum")

// bring has a source's bytes, or finds that it has what was made of them.
func (s *Store) bring(ctx context.Context, w wanted, p *partial, report func(Progress)) (Base, error) {
	had, have := s.lookUp(w.key())
	err := s.load(ctx, w, p, &had, report)
	var e *Error
	switch {
	case err == nil:
		return s.build(ctx, w, p, had, report)
	case errors.Is(err, errSame):
		return s.confirm(ctx, w, had)
	case have && errors.As(err, &e) && e.Kind == Unavailable && ctx.Err() == nil:
		base, err := s.confirm(ctx, w, had)
		base.Note = fmt.Sprintf("the image of %s is used; a newer one could not be asked for: %v", had.At.Format(time.DateTime), e.Err)
		return base, err
	}
	return Base{}, err
}

// build verifies what was brought and makes a base of it.
func (s *Store) build(ctx context.Context, w wanted, p *partial, had entry, report func(Progress)) (Base, error) {
	sums, err := digest(ctx, p.file, p.size, report)
	if err != nil {
		return Base{}, err
	}
	verified, err := s.verify(ctx, w, sums)
	var e *Error
	if errors.As(err, &e) && e.Kind == BadChecksum && p.joined {
		return Base{}, errors.Join(p.restart(mark{Size: -1}), errMixed)
	}
	if err != nil {
		return Base{}, err
	}
	size, err := s.convert(ctx, w, p, sums, report)
	if err != nil {
		return Base{}, err
	}
	had.SHA256, had.SHA512, had.Verified = sums.sha256, sums.sha512, verified
	if err := s.note(w, had); err != nil {
		return Base{}, err
	}
	return Base{Digest: name(sums.sha256), Path: s.path(sums.sha256), Size: size, Verified: verified}, nil
}

// load brings the bytes. It gives errSame where had is the same still, and fills had with what tells so next time.
func (s *Store) load(ctx context.Context, w wanted, p *partial, had *entry, report func(Progress)) error {
	if w.url.Scheme == "file" {
		return s.loadFile(ctx, w, p, had, report)
	}
	if err := s.download(ctx, w, p, had.Mark, report); err != nil {
		return err
	}
	had.Mark = p.mark
	return nil
}

// limit of a download: what is taken at all, or what there is room for beside the reserve.
func (s *Store) limit(p *partial) (bound, error) {
	free, err := s.free()
	if err != nil {
		return bound{}, err
	}
	if room := free - s.bounds.Reserve + p.size; room < s.bounds.Download {
		return bound{bytes: max(room, 0), full: true}, nil
	}
	return bound{bytes: s.bounds.Download}, nil
}

// free bytes of the store's file system, for who is not root too: the kernel keeps the rest for the host's own needs.
func (s *Store) free() (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(s.dir, &stat); err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	return int64(min(stat.Bavail, 1<<62/uint64(stat.Bsize))) * stat.Bsize, nil //nolint:gosec // bounded above
}
