package ruletest

import "fmt"

// Covered is how much of policies their tests have seen.
type Covered struct {
	// Rules and match conditions that were seen to be true and to be false.
	Rules Share
	// Branches that were: what stands beside && or ||, or before ?.
	Branches Share
	// Missing tells of each that was not, and what was not seen.
	Missing []string
}

// Share of something.
type Share struct{ Seen, All int }

// Percent of it; all of nothing.
func (s Share) Percent() int {
	if s.All == 0 {
		return 100
	}
	return s.Seen * 100 / s.All
}

// Summarize the coverage of policies after their runs.
func Summarize(policies []Covering) Covered {
	var c Covered
	for _, p := range policies {
		for _, b := range p.Coverage.Branches() {
			share, what := &c.Branches, fmt.Sprintf("%s: %s line %d, column %d: %s", p.Policy.Name(), b.Path, b.Line, b.Column, b.Expression)
			if b.Whole {
				share, what = &c.Rules, fmt.Sprintf("%s: %s", p.Policy.Name(), b.Path)
			}
			share.All++
			switch {
			case b.True && b.False:
				share.Seen++
			case b.True:
				c.Missing = append(c.Missing, what+" was never seen false")
			case b.False:
				c.Missing = append(c.Missing, what+" was never seen true")
			default:
				c.Missing = append(c.Missing, what+" was never asked")
			}
		}
	}
	return c
}
