package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Publisher of images with lists of checksums beside them.
type Publisher struct {
	// Prefix of the URLs that are its.
	Prefix string
	// List is the name of the file with the checksums, in the folder of the image.
	List string
	// Signature is the name of the list's detached signature; empty where it has none.
	Signature string
}

// Publishers that are known.
var Publishers = []Publisher{
	{Prefix: "https://cloud-images.ubuntu.com/", List: "SHA256SUMS", Signature: "SHA256SUMS.gpg"},
	{Prefix: "https://cloud.debian.org/images/cloud/", List: "SHA512SUMS"},
}

// Verified says how an image is known to be what was asked for.
type Verified struct {
	// By is "profile" where its checksum was the profile's, "publisher" where it was in the publisher's list, and
	// empty where nothing was checked.
	By string `json:"by,omitempty"`
	// List that the checksum was in.
	List string `json:"list,omitempty"`
	// SignedBy is the fingerprint of the key that signed the list; empty where no signature was checked.
	SignedBy string `json:"signedBy,omitempty"`
}

func (v Verified) String() string {
	switch {
	case v.By == "profile":
		return "its checksum is the profile's"
	case v.SignedBy != "":
		return fmt.Sprintf("its checksum is in %s, signed by %s", v.List, v.SignedBy)
	case v.By == "publisher":
		return fmt.Sprintf("its checksum is in %s, whose signature was not checked", v.List)
	}
	return "not verified: the profile has no checksum, and no list of a known publisher was there"
}

// sums of what was downloaded.
type sums struct{ sha256, sha512 string }

func (s sums) of(algorithm string) string {
	if algorithm == "sha512" {
		return s.sha512
	}
	return s.sha256
}

// digest reads the file that is then converted, from the beginning.
func digest(ctx context.Context, file io.ReaderAt, size int64, report func(Progress)) (sums, error) {
	short, long := sha256.New(), sha512.New()
	both := io.MultiWriter(short, long)
	for at := int64(0); at < size; {
		if ctx.Err() != nil {
			return sums{}, context.Cause(ctx)
		}
		n, err := io.Copy(both, io.NewSectionReader(file, at, min(8<<20, size-at)))
		if err != nil {
			return sums{}, fmt.Errorf("reading what was downloaded: %w", err)
		}
		if n == 0 {
			return sums{}, fail(Unavailable, "what was downloaded has become shorter")
		}
		at += n
		report(Progress{Step: Verifying, Done: at, Total: size})
	}
	return sums{hex.EncodeToString(short.Sum(nil)), hex.EncodeToString(long.Sum(nil))}, nil
}

// verify what was downloaded, by the profile's checksum or else by its publisher's list.
func (s *Store) verify(ctx context.Context, w wanted, got sums) (Verified, error) {
	if w.checksum.none() {
		return s.published(ctx, w, got)
	}
	if is := got.of(w.checksum.algorithm); is != w.checksum.hex {
		return Verified{}, fail(BadChecksum, "its %s is %s, and the profile says %s", w.checksum.algorithm, is, w.checksum.hex)
	}
	return Verified{By: "profile"}, nil
}

// Bounds of a publisher's files.
const (
	maxList      = 4 << 20
	maxSignature = 64 << 10
	maxKeyring   = 4 << 20
)

// published looks an image up in its publisher's list. Without a keyring a list that is not there is not insisted on;
// with one it is, or who can leave it out could leave its signature out.
func (s *Store) published(ctx context.Context, w wanted, got sums) (Verified, error) {
	publisher, known := s.publisherOf(w)
	if !known {
		return Verified{}, nil
	}
	where := beside(w.url, publisher.List)
	list, err := s.small(ctx, where, maxList)
	signed := publisher.Signature != "" && s.keyring != ""
	var e *Error
	if errors.As(err, &e) && e.Kind == NotFound && !signed {
		return Verified{}, nil
	}
	if err != nil {
		return Verified{}, fmt.Errorf("getting the publisher's list of checksums %s: %w", where, err)
	}
	verified := Verified{By: "publisher", List: where}
	if signed {
		if verified.SignedBy, err = s.signer(ctx, w, publisher, list); err != nil {
			return Verified{}, err
		}
	}
	return verified, inList(list, w.file(), got)
}

func (s *Store) publisherOf(w wanted) (Publisher, bool) {
	for _, p := range s.publishers {
		if strings.HasPrefix(w.source.URL, p.Prefix) {
			return p, true
		}
	}
	return Publisher{}, false
}

// beside is a file's address in the folder of another.
func beside(address *url.URL, name string) string {
	folder := url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path}
	return folder.ResolveReference(&url.URL{Path: name}).String()
}

// small gets a small file whole.
func (s *Store) small(ctx context.Context, address string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*s.bounds.Stall, fail(Unavailable, "it did not come within %s", 2*s.bounds.Stall))
	defer cancel()
	response, err := s.ask(ctx, address, 0, mark{}, mark{})
	if err != nil {
		return nil, orCause(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, orCause(ctx, fail(Unavailable, "reading the answer: %w", err))
	}
	if int64(len(text)) > limit {
		return nil, fail(TooLarge, "it is longer than %d bytes", limit)
	}
	return text, nil
}

// inList finds a file in lines of "<hex>  name" or "<hex> *name".
func inList(list []byte, name string, got sums) error {
	found := false
	for line := range strings.Lines(string(list)) {
		hash, file, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.TrimPrefix(strings.TrimLeft(file, " "), "*") != name {
			continue
		}
		found = true
		if hash = strings.ToLower(hash); hash != got.sha256 && hash != got.sha512 {
			return fail(BadChecksum, "the publisher's list says %.128s, and it is %s", hash, got.sha256)
		}
	}
	if !found {
		return fail(BadChecksum, "the publisher's list does not name %.100q", name)
	}
	return nil
}

// signer gives the fingerprint of the key of the keyring that signed a list.
func (s *Store) signer(ctx context.Context, w wanted, publisher Publisher, list []byte) (string, error) {
	keys, err := readKeyring(s.keyring)
	if err != nil {
		return "", err
	}
	where := beside(w.url, publisher.Signature)
	signature, err := s.small(ctx, where, maxSignature)
	var e *Error
	if errors.As(err, &e) && e.Kind == NotFound {
		return "", fail(BadSignature, "there is no signature %s, and a keyring was given to check it", where)
	}
	if err != nil {
		return "", fmt.Errorf("getting the signature %s: %w", where, err)
	}
	return checkSignature(keys, list, signature, where)
}

func checkSignature(keys openpgp.EntityList, list, signature []byte, where string) (string, error) {
	check := openpgp.CheckDetachedSignature
	if bytes.HasPrefix(bytes.TrimSpace(signature), []byte("-----BEGIN")) {
		check = openpgp.CheckArmoredDetachedSignature
	}
	key, err := check(keys, bytes.NewReader(list), bytes.NewReader(signature), nil)
	if err != nil {
		return "", fail(BadSignature, "the signature %s: %w; is the keyring the publisher's?", where, err)
	}
	return fmt.Sprintf("%X", key.PrimaryKey.Fingerprint), nil
}

// readKeyring reads the operator's keyring: a mistake of this host's, which mending it makes good.
func readKeyring(path string) (openpgp.EntityList, error) {
	text, err := readSmall(path, maxKeyring)
	if err != nil {
		return nil, fail(Unavailable, "reading the keyring: %w", err)
	}
	read := openpgp.ReadKeyRing
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
		read = openpgp.ReadArmoredKeyRing
	}
	keys, err := read(bytes.NewReader(text))
	if err != nil {
		return nil, fail(Unavailable, "reading the keyring %s: %w", path, err)
	}
	return keys, nil
}

// seldom reports changes of the step at once, and others a few times a second.
func seldom(report func(Progress)) func(Progress) {
	var last Progress
	var at time.Time
	return func(p Progress) {
		if p.Step == last.Step && p.Done < p.Total && time.Since(at) < 200*time.Millisecond {
			return
		}
		last, at = p, time.Now()
		report(p)
	}
}
