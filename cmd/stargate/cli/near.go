package cli

import (
	"slices"
)

// nearest gives up to three names that differ from the one typed by no more than a slip.
func nearest(typed string, names []string) []string {
	const slip = 2
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	for _, name := range names {
		if d := distance(typed, name); d <= slip {
			near = append(near, candidate{name, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.distance - b.distance })
	var result []string
	for _, each := range near[:min(len(near), 3)] {
		result = append(result, each.name)
	}
	return result
}

// distance counts the insertions, deletions and replacements between two names (Levenshtein).
func distance(a, b string) int {
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current := make([]int, len(b)+1)
		current[0] = i + 1
		for j := range len(b) {
			replace := previous[j]
			if a[i] != b[j] {
				replace++
			}
			current[j+1] = min(replace, previous[j+1]+1, current[j]+1)
		}
		previous = current
	}
	return previous[len(b)]
}
