package image

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// newKey makes a key that signs lists as publishers do.
func newKey(t *testing.T) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity("Images", "", "images@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keyring(t *testing.T, key *openpgp.Entity, armored bool) string {
	t.Helper()
	var text bytes.Buffer
	if armored {
		w, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Serialize(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	} else if err := key.Serialize(&text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sign(t *testing.T, key *openpgp.Entity, list []byte) []byte {
	t.Helper()
	var signature bytes.Buffer
	if err := openpgp.DetachSign(&signature, key, bytes.NewReader(list), nil); err != nil {
		t.Fatal(err)
	}
	return signature.Bytes()
}

// published is a site with an image, the publisher's list, and its signature.
func published(t *testing.T, content []byte, key *openpgp.Entity) (*site, Config) {
	t.Helper()
	site := newSite(t, content)
	list := []byte(strings.Repeat("0", 64) + " *other.img\n" + sha(content) + " *os.img\n")
	site.others["/SHA256SUMS"] = list
	site.others["/SHA256SUMS.gpg"] = sign(t, key, list)
	return site, Config{Publishers: []Publisher{{Prefix: site.URL + "/", List: "SHA256SUMS", Signature: "SHA256SUMS.gpg"}}}
}

func TestPublishersListIsChecked(t *testing.T) {
	content, key := disk(t), newKey(t)
	site, config := published(t, content, key)
	s := newStore(t, config)
	base, err := s.Get(t.Context(), site.image(), nil)
	if err != nil || base.Verified.By != "publisher" || base.Verified.SignedBy != "" || !strings.Contains(base.Verified.String(), "was not checked") {
		t.Errorf("%+v (%s), %v; no keyring was given", base, base.Verified, err)
	}
	// A keyring that is given later is used for what is kept already.
	config.Dir, config.Keyring = s.dir, keyring(t, key, true)
	base, err = newStore(t, config).Get(t.Context(), site.image(), nil)
	if want := hex.EncodeToString(key.PrimaryKey.Fingerprint); err != nil || !strings.EqualFold(base.Verified.SignedBy, want) {
		t.Errorf("%+v, %v; want it signed by %s", base, err, want)
	}
}

func TestSignaturesThatDoNotFit(t *testing.T) {
	content, key := disk(t), newKey(t)
	changes := map[string]struct {
		change func(*site)
		kind   Kind
		says   string
	}{
		"of another key": {func(s *site) { s.others["/SHA256SUMS.gpg"] = sign(t, newKey(t), s.others["/SHA256SUMS"]) }, BadSignature, "keyring"},
		"of another list": {func(s *site) {
			s.others["/SHA256SUMS"] = bytes.Replace(s.others["/SHA256SUMS"], []byte("0000"), []byte("1111"), 1)
		}, BadSignature, ""},
		"garbage":         {func(s *site) { s.others["/SHA256SUMS.gpg"] = []byte("garbage") }, BadSignature, ""},
		"none":            {func(s *site) { delete(s.others, "/SHA256SUMS.gpg") }, BadSignature, "no signature"},
		"no list":         {func(s *site) { delete(s.others, "/SHA256SUMS") }, NotFound, "list of checksums"},
		"another image":   {func(s *site) { s.content = disk(t, "-o", "cluster_size=4k") }, BadChecksum, "list says"},
		"an endless list": {func(s *site) { s.others["/SHA256SUMS"] = bytes.Repeat([]byte("x"), maxList+1) }, TooLarge, "longer"},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			site, config := published(t, content, key)
			config.Keyring = keyring(t, key, false)
			c.change(site)
			refused(t, newStore(t, config), site.image(), c.kind, c.says)
		})
	}
}

func TestPublisherWithoutAList(t *testing.T) {
	content := disk(t)
	site, config := published(t, content, newKey(t))
	delete(site.others, "/SHA256SUMS")
	base, err := newStore(t, config).Get(t.Context(), site.image(), nil)
	if err != nil || base.Verified.By != "" || !strings.HasPrefix(base.Verified.String(), "not verified") {
		t.Errorf("%+v, %v; want it said that nothing was verified", base, err)
	}
	site.others["/SHA256SUMS"] = []byte(strings.Repeat("0", 64) + "  other.img\n")
	refused(t, newStore(t, config), site.image(), BadChecksum, "does not name")
	sum := sha512.Sum512(content)
	site.others["/SHA256SUMS"] = []byte(hex.EncodeToString(sum[:]) + "  os.img\n")
	if base, err := newStore(t, config).Get(t.Context(), site.image(), nil); err != nil || base.Verified.By != "publisher" {
		t.Errorf("a list of SHA-512: %+v, %v", base, err)
	}
}

func TestKeyringThatCannotBeReadIsTheHostsMistake(t *testing.T) {
	site, config := published(t, disk(t), newKey(t))
	config.Keyring = filepath.Join(t.TempDir(), "none")
	refused(t, newStore(t, config), site.image(), Unavailable, "keyring")
}

func TestKnownPublishers(t *testing.T) {
	s := newStore(t, Config{})
	for address, want := range map[string]string{
		Default: "SHA256SUMS",
		"https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2": "SHA512SUMS",
		"https://cloud-images.ubuntu.com.example.com/x.img":                                        "",
		"http://cloud-images.ubuntu.com/x.img":                                                     "",
	} {
		w, err := Source{URL: address}.read()
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := s.publisherOf(w); p.List != want {
			t.Errorf("%s: list %q, want %q", address, p.List, want)
		}
	}
	w, err := Source{}.read()
	if err != nil || beside(w.url, "SHA256SUMS") != "https://cloud-images.ubuntu.com/releases/22.04/release/SHA256SUMS" {
		t.Errorf("beside the default: %s, %v", beside(w.url, "SHA256SUMS"), err)
	}
}

func TestProgressIsToldOfSeldom(t *testing.T) {
	told := 0
	report := seldom(func(Progress) { told++ })
	began := time.Now()
	for done := range int64(100_000) {
		report(Progress{Step: Downloading, Done: done, Total: 100_000})
	}
	if most := 2 + int(time.Since(began)/(200*time.Millisecond)); told > most {
		t.Errorf("told of %d times, at most %d", told, most)
	}
	report(Progress{Step: Downloading, Done: 100_000, Total: 100_000})
	report(Progress{Step: Verifying, Total: 100_000})
	if told < 3 {
		t.Errorf("told of %d times: its end and a new step are told at once", told)
	}
}
