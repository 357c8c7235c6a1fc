package cli

import (
	"regexp"
	"strings"

	"github.com/mattn/go-runewidth"
)

// paint are the escape sequences that Style.Paint puts around text. Whatever comes from outside was
// cleaned of others before.
var paint = regexp.MustCompile("\x1b\\[[0-9;]*m")

// cutPainted shortens a painted line to a width in columns, and never cuts an escape sequence in two.
func cutPainted(line string, width int) string {
	if width <= 0 || runewidth.StringWidth(paint.ReplaceAllString(line, "")) <= width {
		return line
	}
	var cut strings.Builder
	room, painted := width-1, false
	for line != "" {
		if at := paint.FindStringIndex(line); at != nil && at[0] == 0 {
			cut.WriteString(line[:at[1]])
			painted = line[:at[1]] != "\x1b[0m"
			line = line[at[1]:]
			continue
		}
		r := []rune(line)[0]
		if room -= runewidth.RuneWidth(r); room < 0 {
			break
		}
		cut.WriteRune(r)
		line = line[len(string(r)):]
	}
	cut.WriteString("…")
	if painted {
		cut.WriteString("\x1b[0m")
	}
	return cut.String()
}
