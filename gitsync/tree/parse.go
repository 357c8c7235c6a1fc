package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse a chunk into the roots of its documents; empty ones are left out. It is usually one: "..." may end a document
// as well. The parser itself bounds how deep brackets and indents go, and writes out no alias.
func parse(c chunk, limits Limits) (roots []*yaml.Node, problems []Problem) {
	if len(c.text) > limits.DocumentBytes {
		return nil, []Problem{c.problem(c.first(), 1, fmt.Sprintf("the document has %d bytes, more than %d", len(c.text), limits.DocumentBytes),
			"divide it, or let the object name what is large instead of holding it")}
	}
	defer func() {
		// The library panics on what it did not foresee, and a commit must not end the process.
		if r := recover(); r != nil {
			roots, problems = nil, []Problem{c.problem(c.first(), 1, "the document cannot be read as YAML", "write it plainer: one key a line, text in quotes")}
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(c.text))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return nil, []Problem{c.syntax(err)}
		}
		if document.Kind == yaml.DocumentNode && len(document.Content) == 1 && !isNull(document.Content[0]) {
			roots = append(roots, document.Content[0])
		}
	}
}

// problem at a line and column of the chunk.
func (c chunk) problem(line, column int, message, mend string) Problem {
	return Problem{Place: Place{File: c.file, Line: c.before + line, Column: column}, Message: message, Mend: mend}
}

var yamlError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntax tells of what the parser did not take.
func (c chunk) syntax(err error) Problem {
	what, line := saying(err)
	lines := strings.Split(string(c.text), "\n")
	if n, column := tab(lines); n > 0 && strings.Contains(what, "cannot start any token") {
		return c.problem(n, column, "a tab indents the line, and YAML takes spaces only", "put spaces in place of the tab")
	}
	known := sayingOf(what)
	if known.within && len(c.text) <= longestSearch {
		line = c.firstWith(what, lines)
	}
	line = min(max(line, c.first()), len(lines))
	column := 1 + len(lines[line-1]) - len(strings.TrimLeft(lines[line-1], " "))
	return c.problem(line, column, "this is not YAML: "+known.means, known.mend)
}

// saying of the parser, and the line that it names. Its own errors count lines from zero, and its scanner's from one.
func saying(err error) (what string, line int) {
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error(), 1
	}
	line, _ = strconv.Atoi(m[1])
	if strings.HasPrefix(m[2], "did not find expected") {
		line++
	}
	return m[2], line
}

// longestSearch is the largest document in which the line of an error is searched for.
const longestSearch = 128 << 10

// firstWith finds the line with which the parser first says so. It names the block that it is in, or nothing.
func (c chunk) firstWith(what string, lines []string) int {
	return 1 + sort.Search(len(lines)-1, func(n int) bool {
		decoder := yaml.NewDecoder(strings.NewReader(strings.Join(lines[:n+1], "\n")))
		for {
			var document yaml.Node
			if err := decoder.Decode(&document); err != nil {
				said, _ := saying(err)
				return said == what
			}
		}
	})
}

// first line of the chunk's own text.
func (c chunk) first() int {
	line, _, more := bytes.Cut(c.text, []byte("\n"))
	if more && isMarker(line) && len(bytes.TrimSpace(line)) == 3 {
		return 2
	}
	return 1
}

// tab finds the first line that a tab indents.
func tab(lines []string) (line, column int) {
	for i, text := range lines {
		rest := strings.TrimLeft(text, " ")
		if strings.HasPrefix(rest, "\t") && strings.TrimSpace(rest) != "" {
			return i + 1, len(text) - len(rest) + 1
		}
	}
	return 0, 0
}

// said is something that the parser says.
type said struct {
	says, means, mend string
	// within: the parser names the block that the error is in, or no line.
	within bool
}

// sayings of the parser, what they mean, and what to do about it. Its own words might quote what is secret.
var sayings = []said{
	{"mapping values are not allowed", "a ':' stands where no key can be", "look at the indentation of this line and the one before, and put text with ': ' in it in quotes", false},
	{"did not find expected key", "a key is expected here", "look at the indentation of this block: keys of one object begin in one column", true},
	{"did not find expected '-'", "a list entry is expected here", "look at the indentation of this list: its '-' stand in one column", true},
	{"did not find expected ',' or", "a bracket is not closed", "close the bracket, or put text with brackets in quotes", false},
	{"did not find expected node content", "a value is expected here", "write the value, or put text that begins with a sign in quotes", true},
	{"could not find expected ':'", "a ':' is missing after a key", "write 'key: value', with a space after the colon", false},
	{"found unexpected end of stream", "a quote is not closed", "close the quote", false},
	{"found unexpected document indicator", "a quote is not closed before the document ends", "close the quote", false},
	{"found unknown escape character", "an unknown escape stands in double quotes", "put the text in single quotes, or write \\\\ for a backslash", false},
	{"cannot start any token", "a character stands here that begins nothing", "put the text in quotes", false},
	{"unknown anchor", "an alias names an anchor that this document does not have", "define the anchor with & above, in the same document", true},
	{"exceeded max depth", "the document is nested too deep", "flatten it", false},
	{"did not find expected <document start>", "text stands where a document begins", "remove lines with '%' in the first column, and separate documents with a line of '---'", true},
	{"found undefined tag handle", "a tag is used that YAML does not know", "remove the tag", true},
	{"control characters are not allowed", "a control character stands in the text", "remove it, or write it as an escape in double quotes", true},
}

func sayingOf(what string) said {
	for _, s := range sayings {
		if strings.Contains(what, s.says) {
			return s
		}
	}
	return said{means: "the parser stops here", mend: "look at indentation, quotes and brackets of this line and the one before"}
}

// isNull tells whether the node says nothing.
func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
