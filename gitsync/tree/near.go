package tree

import "strings"

// nearest of the names to the one that was written, and "" where none is near enough to have been meant.
func nearest(written string, names []string) string {
	if len(written) > 63 {
		return ""
	}
	best, least := "", max(1, len(written)/3)+1
	for _, name := range names {
		if len(name) > 63 || name == written {
			continue
		}
		if d := distance(strings.ToLower(written), strings.ToLower(name)); d < least || d == least && best != "" && name < best {
			best, least = name, d
		}
	}
	return best
}

// distance between two words: how many letters are to be put in, left out, changed or swapped.
func distance(a, b string) int {
	before, last, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(b)]
}

// didYouMean as the end of a mend, or otherwise.
func didYouMean(written string, names []string, otherwise string) string {
	if near := nearest(written, names); near != "" {
		return "did you mean " + quoted(near) + "?"
	}
	return otherwise
}
