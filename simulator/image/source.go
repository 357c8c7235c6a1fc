package image

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"stargate.io/stargate/simulator"
)

// Default is the image of a profile that names none: Ubuntu 22.04 for clouds.
const Default = "https://cloud-images.ubuntu.com/releases/22.04/release/ubuntu-22.04-server-cloudimg-amd64.img"

// The formats that are taken.
const (
	QCOW2 = "qcow2"
	Raw   = "raw"
)

// Source says where an image is, and what it is to be.
type Source struct {
	// URL is http, https or file; empty is Default.
	URL string
	// Checksum as "sha256:<hex>" or "sha512:<hex>" of the file as it is downloaded; empty is not checked.
	Checksum string
	// Format is QCOW2 or Raw; empty is told from the file.
	Format string
}

// SourceOf a profile's image.
func SourceOf(image simulator.Image) Source {
	return Source{URL: image.URL, Checksum: image.Checksum, Format: image.Format}
}

// Check refuses a source that can never be got.
func (s Source) Check() error {
	_, err := s.read()
	return err
}

// wanted is a Source that was read.
type wanted struct {
	source   Source
	url      *url.URL
	checksum checksum
}

// checksum that somebody promises; the zero one is none.
type checksum struct{ algorithm, hex string }

func (c checksum) none() bool { return c.algorithm == "" }

var checksumForm = regexp.MustCompile(`^(?:(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128}))$`)

func readChecksum(text string) (checksum, error) {
	if text == "" {
		return checksum{}, nil
	}
	found := checksumForm.FindStringSubmatch(strings.ToLower(text))
	if found == nil {
		return checksum{}, fail(BadSource, `checksum %.150q: it is to be "sha256:" and 64 hex digits, or "sha512:" and 128`, text)
	}
	return checksum{algorithm: found[1] + found[3], hex: found[2] + found[4]}, nil
}

const maxURL = 2048

func (s Source) read() (wanted, error) {
	if s.URL == "" {
		s.URL = Default
	}
	if len(s.URL) > maxURL {
		return wanted{}, about(s, fail(BadSource, "the URL is longer than %d bytes", maxURL))
	}
	address, err := readURL(s.URL)
	if err != nil {
		return wanted{}, about(s, err)
	}
	sum, err := readChecksum(s.Checksum)
	if err != nil {
		return wanted{}, about(s, err)
	}
	if s.Format != "" && s.Format != QCOW2 && s.Format != Raw {
		return wanted{}, about(s, fail(BadSource, "format %.40q: it is to be %s or %s, or left out", s.Format, QCOW2, Raw))
	}
	return wanted{source: s, url: address, checksum: sum}, nil
}

func readURL(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	if err != nil {
		return nil, fail(BadSource, "the URL cannot be read") // the parser's words repeat it, credentials and all
	}
	switch address.Scheme {
	case "http", "https":
		if address.Hostname() == "" {
			return nil, fail(BadSource, "the URL names no host")
		}
	case "file":
		if address.Host != "" && address.Host != "localhost" || !filepath.IsAbs(address.Path) {
			return nil, fail(BadSource, "a file URL is file:///absolute/path")
		}
		if strings.ContainsRune(address.Path, 0) {
			return nil, fail(BadSource, "the path has a zero byte in it")
		}
	default:
		return nil, fail(BadSource, "scheme %.20q: it is to be http, https or file", address.Scheme)
	}
	return address, nil
}

// shown is the URL for people and records: credentials may be in what is left out.
func (s Source) shown() string {
	address, err := url.Parse(s.URL)
	if err != nil || len(s.URL) > maxURL {
		return "of a URL that cannot be read"
	}
	shown := url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path}
	return shown.String()
}

// key names what belongs to a source, as a file's name.
func (w wanted) key() string {
	sum := sha256.Sum256([]byte(w.source.URL + "\n" + w.checksum.algorithm + ":" + w.checksum.hex + "\n" + w.source.Format))
	return hex.EncodeToString(sum[:16])
}

// file is the last part of the URL's path, by which the publisher's list names it.
func (w wanted) file() string { return path.Base(w.url.Path) }
