package source

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind of error, on which others decide what to do.
type Kind string

// The kinds of errors.
const (
	// Auth: the credentials, or what vouches for the server, are missing or wrong. Somebody must act.
	Auth Kind = "Auth"
	// RefNotFound: there is no such repository or ref.
	RefNotFound Kind = "RefNotFound"
	// Refused: the commit, or the request, is not taken, however often it is tried: over a cap, symlinks,
	// odd names. It is done with until the ref moves or the Fleet changes.
	Refused Kind = "Refused"
	// Empty: the repository has no refs.
	Empty Kind = "Empty"
	// Transient: the network, the server or the time allowed. It may work the next time.
	Transient Kind = "Transient"
)

// Error of reading a repository: what was done where, what went wrong, and how to mend it.
type Error struct {
	Kind Kind
	// Doing as a gerund, Where as a URL without credentials.
	Doing, Where string
	// Message says what went wrong, and Mend what to do about it.
	Message, Mend string

	cause error // of the context only: anything else might carry what must not be told
}

// Error as one sentence.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Doing != "" {
		b.WriteString(e.Doing)
		if e.Where != "" {
			b.WriteString(" of " + e.Where)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Mend != "" {
		b.WriteString("; " + e.Mend)
	}
	return b.String()
}

// Unwrap gives the context's error, where that was the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf an error; Transient for one that this package did not make, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Transient
}

// failure without a place yet.
func failure(kind Kind, mend, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Mend: mend}
}

// cut says that the other side stopped in the middle.
func cut(what string) *Error {
	return failure(Transient, "it is tried again", "the server stopped in the middle of %s", what)
}

// corrupt says that what came cannot be read.
func corrupt(format string, args ...any) *Error {
	return failure(Transient, "it is tried again; if it stays, run git fsck where the repository is",
		"what the server sent is corrupt: "+format, args...)
}

// placed completes an error for whoever called: the place is told, and secrets are not.
func placed(ctx context.Context, err error, doing, where string, c Credentials) error {
	out := &Error{Kind: Transient, Doing: doing, Where: where}
	if e, ok := errors.AsType[*Error](err); ok {
		out.Kind, out.Message, out.Mend, out.cause = e.Kind, e.Message, e.Mend, e.cause
	} else {
		out.Message, out.Mend = brief(err.Error()), "it is tried again"
	}
	if ended := ctx.Err(); ended != nil {
		out.Kind, out.cause = Transient, ended
		out.Message, out.Mend = "it was called off", ""
		if errors.Is(ended, context.DeadlineExceeded) {
			out.Message = "it took longer than allowed"
			out.Mend = "look whether the server answers, or raise spec.timeout"
		}
	}
	out.Message = c.scrub(out.Message)
	return out
}

// longest piece of foreign text in a message.
const longest = 300

// brief makes foreign text fit for a message: one line of printable characters, not too long.
func brief(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

// scrub takes secrets out of a text.
func (c Credentials) scrub(s string) string {
	secrets := []string{c.Password, c.BearerToken, string(c.IdentityPassphrase), strings.TrimSpace(string(c.Identity))}
	if c.Password != "" {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	}
	for _, secret := range secrets {
		if len(secret) >= 3 {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return s
}
