package image

import (
	"errors"
	"fmt"
)

// Kind of an error, by which callers decide.
type Kind string

// The kinds. All but Unavailable and HostFull are for ever: the same source gives the same again.
const (
	BadSource    Kind = "bad source"    // a URL, checksum or format that cannot be
	NotFound     Kind = "not found"     // the server, or the folder, has no such file
	Forbidden    Kind = "forbidden"     // the server asks for what was not given, or the file is outside the folders allowed
	TooLarge     Kind = "too large"     // as downloaded, as a disk, or as converted
	BadChecksum  Kind = "bad checksum"  // it is not what was asked for
	BadSignature Kind = "bad signature" // the publisher's list is not signed by a key of the keyring
	Unsafe       Kind = "unsafe image"  // it refers to other files, is encrypted, damaged, or of a format not taken
	Unavailable  Kind = "unavailable"   // a server that does not answer, breaks off, stalls, or fails
	HostFull     Kind = "host is full"  // no space for it here
)

// Error of a Get.
type Error struct {
	Kind Kind
	// Source is the URL without credentials and query.
	Source string
	// Err says what, and how to mend it.
	Err error
}

func (e *Error) Error() string {
	if e.Source == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("image %s: %v", e.Source, e.Err)
}

// Unwrap gives what is behind it.
func (e *Error) Unwrap() error { return e.Err }

// Permanent tells whether trying again is of no use.
func (e *Error) Permanent() bool { return e.Kind != Unavailable && e.Kind != HostFull }

// Permanent tells whether an error of this package is one for which trying again is of no use.
func Permanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Permanent()
}

// fail gives an error of a kind; the source is added by who knows it.
func fail(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// about adds the source to an error, and a kind where it has none: what this host could not do may be done later.
func about(source Source, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Source != "" {
		return err
	}
	if e != nil {
		return &Error{Kind: e.Kind, Source: source.shown(), Err: err}
	}
	return &Error{Kind: kindOf(err), Source: source.shown(), Err: err}
}
