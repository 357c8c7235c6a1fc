package render

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
	"k8s.io/apimachinery/pkg/util/duration"
)

// Clean makes one harmless line of text from outside: control characters, which could drive a
// terminal, and line breaks, which could forge lines of ours, become spaces.
func Clean(text string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		// Format characters reorder or hide what is around them.
		case unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(clean), " ")
}

// Cut shortens text to a width in columns; zero leaves it alone.
func Cut(text string, width int) string {
	if width <= 0 {
		return text
	}
	return runewidth.Truncate(text, width, "…")
}

// Or gives otherwise in place of nothing, as a cell must not be empty between two others.
func Or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Age of something as kubectl tells it: 7m12s, 3h, 12d.
func Age(since, now time.Time) string {
	if since.IsZero() {
		return "-"
	}
	return duration.HumanDuration(max(now.Sub(since), 0))
}

// Bar draws percent in so many columns.
func Bar(percent int32, width int) string {
	percent = min(max(percent, 0), 100)
	full := int(percent) * width / 100
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// Count says "1 server" or "3 servers".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
