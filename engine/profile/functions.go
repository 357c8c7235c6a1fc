package profile

import (
	"errors"
	"fmt"
	"regexp"
	"text/template"
)

// maxMade bounds all text that the functions of one template may make: a variable that is printed
// twice into itself doubles, whatever is written in the end.
const maxMade = 4 * maxRendered

// stretching are the printf verbs that make much of little: wide ones, and those that use an
// argument again.
var stretching = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4}|[*\[])`)

// functions are those of text/template that make text, within a bound.
func functions() template.FuncMap {
	left := maxMade
	spend := func(args []any) error {
		for _, arg := range args {
			if left -= len(fmt.Sprint(arg)); left < 0 {
				return errors.New("its functions make more than 1 MiB of text")
			}
		}
		return nil
	}
	bound := func(text func(...any) string) func(...any) (string, error) {
		return func(args ...any) (string, error) {
			if err := spend(args); err != nil {
				return "", err
			}
			return text(args...), nil
		}
	}
	return template.FuncMap{
		"print": bound(fmt.Sprint), "println": bound(fmt.Sprintln),
		"html": bound(template.HTMLEscaper), "js": bound(template.JSEscaper), "urlquery": bound(template.URLQueryEscaper),
		"printf": func(format string, args ...any) (string, error) {
			if stretching.MatchString(format) {
				return "", errors.New("printf is allowed without indexes, and to a width of 999")
			}
			if err := spend(append(args, format)); err != nil {
				return "", err
			}
			return fmt.Sprintf(format, args...), nil
		},
	}
}
