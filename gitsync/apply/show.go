package apply

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// longest text that is shown as it is: a digest of an image fits.
const longest = 160

// cloudInit may hold passwords and keys.
var cloudInit = regexp.MustCompile(`^spec\.(userData|networkData|metaData)\b`)

// shown is a value as a person reads it; empty for none. Long texts are told by size and digest, which is
// enough to see that they differ.
func shown(path string, value any, secret bool) string {
	if value == nil {
		return ""
	}
	text, plain := value.(string)
	if !plain {
		text = plainly(value)
	}
	switch {
	case secret:
		return "(secret)"
	case cloudInit.MatchString(path) && !strings.Contains(path, ".secretRef"),
		len(text) > longest, !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return sized(text)
	case text == "":
		return `""`
	}
	return text
}

// sized tells of a text how long it is, and the start of its digest.
func sized(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("(%d bytes, sha256:%x)", len(text), sum[:4])
}

// plainly writes a value that is no text.
func plainly(value any) string {
	switch value.(type) {
	case map[string]any, []any:
		if text, err := json.Marshal(value); err == nil {
			return string(text)
		}
	}
	return scalar(value)
}
