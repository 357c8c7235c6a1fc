package tree

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestQuote of what somebody wrote that a message repeats.
const longestQuote = 80

// String as compilers write it: place, object, message and mend.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Place.String())
	b.WriteString(": ")
	if p.Object != "" {
		b.WriteString(p.Object + ": ")
	}
	b.WriteString(p.Message)
	if p.Mend != "" {
		b.WriteString(". " + p.Mend)
	}
	return b.String()
}

// told sorts the problems by file and line, leaves out what is said twice, and tells of more than limit only how many
// there are.
func told(problems []Problem, limit int) []Problem {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Object, b.Object), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message),
			cmp.Compare(a.Mend, b.Mend))
	})
	problems = slices.Compact(problems)
	if more := len(problems) - limit; more > 0 {
		last := problems[limit]
		problems = append(problems[:limit:limit], Problem{
			Place:   last.Place,
			Message: fmt.Sprintf("and %d more problems from here on", more),
			Mend:    "mend those above first: others often go with them",
		})
	}
	return problems
}

// quoted gives what somebody wrote, cut where it is long.
func quoted(s string) string { return strconv.Quote(cut(s, longestQuote-20)) }

// cut s to so many bytes, at the end of a letter.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// plain makes one line without control characters of what a library said.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return cut(strings.TrimSpace(s), 400)
}
