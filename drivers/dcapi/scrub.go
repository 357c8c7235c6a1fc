package dcapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	redacted = "[redacted]"
	// maxQuote bounds what of a site's text comes into a message.
	maxQuote = 200
	// maxScanned bounds what of it is looked at.
	maxScanned = 4096
	// window is how many bytes of a document, found in a site's text, count as a leak of it.
	window = 8
)

// secrets are what a message must never show: the token, whole, in any coding; of documents, any part of them.
type secrets struct {
	tokens    []string
	documents []string
}

func secretsOf(token string, documents ...[]byte) secrets {
	var s secrets
	if token != "" {
		encoded, _ := json.Marshal(token) // a string can be encoded
		s.tokens = []string{
			token, strings.Trim(string(encoded), `"`), url.QueryEscape(token), url.PathEscape(token),
			base64.StdEncoding.EncodeToString([]byte(token)), base64.RawURLEncoding.EncodeToString([]byte(token)),
		}
	}
	for _, document := range documents {
		if len(document) > 0 {
			s.documents = append(s.documents, string(document), base64.StdEncoding.EncodeToString(document))
		}
	}
	return s
}

// scrub makes a text fit for a line of a message, without secrets and of bounded length. It is made printable first,
// since a secret may be spread over what is not, and cut last, since half a secret is not found.
func (s secrets) scrub(text string, limit int) string {
	cut := len(text) > maxScanned
	text = printable(text[:min(len(text), maxScanned)])
	for _, token := range s.tokens {
		if cut {
			text = trimPartial(text, token)
		}
		text = strings.ReplaceAll(text, token, redacted)
	}
	return shorten(s.scrubDocuments(text), limit)
}

// trimPartial removes the beginning of a secret from the end of a text.
func trimPartial(text, secret string) string {
	for n := min(len(secret)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, secret[:n]) {
			return text[:len(text)-n]
		}
	}
	return text
}

// scrubDocuments takes out every run of text that also stands in a document.
func (s secrets) scrubDocuments(text string) string {
	if len(s.documents) == 0 || len(text) < window {
		return text
	}
	hidden := make([]bool, len(text))
	found := false
	for i := 0; i+window <= len(text); i++ {
		for _, document := range s.documents {
			if strings.Contains(document, text[i:i+window]) {
				found = true
				for k := i; k < i+window; k++ {
					hidden[k] = true
				}
				break
			}
		}
	}
	if !found {
		return text
	}
	var out strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			out.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString(redacted)
		}
	}
	return out.String()
}

// clean makes a text fit for a line of a message where it cannot hold a secret.
func clean(text string, limit int) string { return shorten(printable(text), limit) }

// printable gives a text as one line of valid, visible characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// shorten cuts a text between two characters, and says so.
func shorten(text string, limit int) string {
	text = strings.TrimSpace(text)
	if len(text) <= limit {
		return text
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// quote gives a site's text for a message.
func (s secrets) quote(text string) string { return strconv.Quote(s.scrub(text, maxQuote)) }

// cause keeps what an error is, for errors.Is, but shows only its scrubbed text: net/http puts parts of a
// malformed answer into its errors.
type cause struct {
	text string
	err  error
}

func (s secrets) cause(err error) error {
	if err == nil {
		return nil
	}
	return cause{text: s.scrub(err.Error(), 2*maxQuote), err: err}
}

// Error implements error.
func (c cause) Error() string { return c.text }

// Is lets errors.Is see what it was, without giving it out.
func (c cause) Is(target error) bool { return errors.Is(c.err, target) }
