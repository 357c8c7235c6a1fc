package source

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// header of a commit, by name. What follows a line and begins with a space belongs to it.
type header struct {
	name, value string
}

// split a commit into its headers and its message.
func split(raw []byte) ([]header, string) {
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	var out []header
	for line := range strings.SplitSeq(string(head), "\n") {
		if more, ok := strings.CutPrefix(line, " "); ok && len(out) > 0 {
			out[len(out)-1].value += "\n" + more
			continue
		}
		name, value, _ := strings.Cut(line, " ")
		out = append(out, header{name, value})
	}
	return out, string(message)
}

// parseCommit gives what is told of a commit, and its root folder. Headers that must be there once are there once.
func parseCommit(raw []byte) (*Commit, plumbing.Hash, error) {
	headers, message := split(raw)
	once := map[string]string{}
	for _, h := range headers {
		switch h.name {
		case "tree", "author", "committer":
			if _, twice := once[h.name]; twice {
				return nil, plumbing.ZeroHash, failure(Refused, "make the commit anew", "the commit has two headers %q", h.name)
			}
			once[h.name] = h.value
		}
	}
	if !plumbing.IsHash(once["tree"]) || once["author"] == "" || once["committer"] == "" {
		return nil, plumbing.ZeroHash, failure(Refused, "make the commit anew", "the commit lacks a tree, an author or a committer")
	}
	author, _ := person(once["author"])
	_, when := person(once["committer"])
	subject, _, _ := strings.Cut(strings.TrimLeft(message, "\n"), "\n")
	return &Commit{Author: author, Subject: brief(subject), When: when}, plumbing.NewHash(once["tree"]), nil
}

// person and time of a header such as "Ann <ann@example.org> 1700000000 +0100".
func person(value string) (string, time.Time) {
	end := strings.LastIndex(value, ">")
	if end < 0 {
		return brief(value), time.Time{}
	}
	var when time.Time
	if fields := strings.Fields(value[end+1:]); len(fields) > 0 {
		if seconds, err := strconv.ParseInt(fields[0], 10, 64); err == nil && seconds >= 0 && seconds < 1<<40 {
			when = time.Unix(seconds, 0).UTC()
		}
	}
	return brief(value[:end+1]), when
}
