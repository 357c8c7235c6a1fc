package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"stargate.io/stargate/simulator/statefile"
)

// record says what a base is: DIGEST.json beside DIGEST.qcow2. A base without one was never finished.
type record struct {
	SHA256 string `json:"sha256"`
	SHA512 string `json:"sha512"`
	// Size of the disk, in bytes.
	Size int64 `json:"size"`
	// Format of what was downloaded.
	Format string `json:"format"`
}

// entry says what a source gave last: KEY.json.
type entry struct {
	Source string `json:"source"` // for people
	SHA256 string `json:"sha256"`
	SHA512 string `json:"sha512"`
	Mark   mark   `json:"mark"`
	// File tells a local file apart from what it was before.
	File     string    `json:"file,omitempty"`
	Verified Verified  `json:"verified"`
	At       time.Time `json:"at"`
}

// What the store writes down. A file that is damaged, or of another version, is as if it were not there: what it is
// about is got again.
var (
	recordFormat = statefile.Format{Kind: "stargate-base-image", Version: 1}
	entryFormat  = statefile.Format{Kind: "stargate-image-source", Version: 1}
	markFormat   = statefile.Format{Kind: "stargate-image-download", Version: 1}
)

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func name(sha256 string) string { return "sha256:" + sha256 }

func (s *Store) path(sha256 string) string   { return filepath.Join(s.dir, sha256+".qcow2") }
func (s *Store) record(sha256 string) string { return filepath.Join(s.dir, sha256+".json") }
func (s *Store) source(key string) string    { return filepath.Join(s.dir, key+".source.json") }

// lookUp gives what a source gave last, where that is kept still.
func (s *Store) lookUp(key string) (entry, bool) {
	var e entry
	if entryFormat.Read(s.source(key), &e) != nil {
		return entry{}, false
	}
	if _, ok := s.base(e.SHA256); !ok {
		return entry{}, false
	}
	return e, true
}

// base that is kept.
func (s *Store) base(sha256 string) (record, bool) {
	var r record
	if !hexDigest.MatchString(sha256) || recordFormat.Read(s.record(sha256), &r) != nil {
		return record{}, false
	}
	info, err := os.Lstat(s.path(sha256))
	return r, err == nil && info.Mode().IsRegular()
}

// known gives the base with a checksum, whatever it came from.
func (s *Store) known(sum checksum) (Base, bool) {
	if sum.none() {
		return Base{}, false
	}
	records, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return Base{}, false
	}
	for _, path := range records {
		sha256 := strings.TrimSuffix(filepath.Base(path), ".json")
		r, ok := s.base(sha256)
		if ok && (sums{r.SHA256, r.SHA512}).of(sum.algorithm) == sum.hex {
			return Base{Digest: name(sha256), Path: s.path(sha256), Size: r.Size, Verified: Verified{By: "profile"}}, true
		}
	}
	return Base{}, false
}

// confirm gives what a source gave before. It is verified again only where it can be verified better than it was.
func (s *Store) confirm(ctx context.Context, w wanted, had entry) (Base, error) {
	r, ok := s.base(had.SHA256)
	if !ok {
		return Base{}, errors.New("a base image was removed while it was asked for")
	}
	if publisher, known := s.publisherOf(w); known && s.keyring != "" && publisher.Signature != "" && had.Verified.SignedBy == "" {
		verified, err := s.verify(ctx, w, sums{had.SHA256, had.SHA512})
		if err != nil {
			return Base{}, err
		}
		had.Verified = verified
		if err := s.note(w, had); err != nil {
			return Base{}, err
		}
	}
	return Base{Digest: name(had.SHA256), Path: s.path(had.SHA256), Size: r.Size, Verified: had.Verified}, s.touch(name(had.SHA256))
}

// note what a source gave.
func (s *Store) note(w wanted, had entry) error {
	had.Source, had.At = w.source.shown(), time.Now().UTC().Round(time.Second)
	if err := entryFormat.Write(s.source(w.key()), had); err != nil {
		return fmt.Errorf("noting what the image was: %w", err)
	}
	return nil
}

// touch says that a base is used now: what is not for long is collected.
func (s *Store) touch(digest string) error {
	now := time.Now()
	if err := os.Chtimes(s.record(strings.TrimPrefix(digest, "sha256:")), now, now); err != nil {
		return fmt.Errorf("noting that the image is used: %w", err)
	}
	return nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the operator's choice
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: it is longer than %d bytes", path, limit)
	}
	return text, nil
}
