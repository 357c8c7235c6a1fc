package tree

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// chunk of a file: what stands between two lines of "---".
type chunk struct {
	file string
	// before counts the lines of the file before the chunk.
	before int
	text   []byte
}

// split a file into its documents. A "---" at the beginning of a line ends a document wherever it stands, also
// within a text block, so that no parser is needed to find it.
func split(file File, limits Limits) ([]chunk, []Problem) {
	text := bytes.TrimPrefix(file.Data, []byte("\ufeff"))
	if line, ok := invalidText(text); !ok {
		return nil, []Problem{{
			Place:   Place{File: file.Path, Line: line},
			Message: "the file is not UTF-8 text", Mend: "save it as UTF-8",
		}}
	}
	var chunks []chunk
	var problems []Problem
	add := func(before int, text []byte) {
		if len(bytes.TrimSpace(text)) > 0 {
			chunks = append(chunks, chunk{file: file.Path, before: before, text: text})
		}
	}
	line, begun, from := 0, 0, 0
	for at := 0; at < len(text); line++ {
		end := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		if isMarker(text[at:end]) {
			add(begun, text[from:at])
			// What follows "---" on its line belongs to the document; three spaces keep its columns.
			begun, from = line, at
		}
		at = end
	}
	add(begun, text[from:])
	if len(chunks) > limits.Documents {
		problems = append(problems, Problem{
			Place:   Place{File: file.Path, Line: chunks[limits.Documents].before + 1},
			Message: fmt.Sprintf("the file has %d documents, more than %d", len(chunks), limits.Documents),
			Mend:    "spread them over several files",
		})
		return nil, problems
	}
	return chunks, problems
}

// isMarker tells whether the line begins a document.
func isMarker(line []byte) bool {
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r' || line[3] == '\n')
}

// invalidText gives the line of the first byte that is not UTF-8.
func invalidText(text []byte) (int, bool) {
	if utf8.Valid(text) {
		return 0, true
	}
	line := 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		text = text[size:]
	}
	return line, false
}
