package rules

import (
	"fmt"
	"slices"
	"time"
)

// How far Foresee looks. What lies beyond is not found, and Recheck or a change of what was read is
// what ends the wait.
const (
	// turnsAhead of the clock are tried, up to the horizon.
	turnsAhead = 128
	horizon    = 400 * 24 * time.Hour
	// stepsDown and stepsUp of a count are tried one by one.
	stepsDown, stepsUp = 512, 64
	// approvalsAhead are tried.
	approvalsAhead = 8
	// rawRecheck is how soon to ask a rule again that reads the clock itself.
	rawRecheck = time.Minute
)

// Foresee finds what would release a finding of Evaluate, for the same facts and fleet: it fills in
// Releases; Together, where only several changes at once would; and Recheck. Rules are pure, so it
// asks them again with a clock that is further on, with a count that is another, with one more
// approval. That costs up to some hundred evaluations: call it for what somebody is told of, or
// waits for, and not for each Operation that passes.
func (p *Policy) Foresee(f *Facts, fleet Fleet, finding Finding) Finding {
	i := slices.IndexFunc(p.rules, func(r *rule) bool { return r.Name == finding.Rule })
	if i < 0 || finding.Reason != ReasonViolated {
		return finding
	}
	s := &supposition{policy: p, facts: f, fleet: fleet, rule: p.rules[i], reads: p.closure(p.rules[i].violated)}
	for _, c := range p.conditions {
		s.reads.add(p.closure(c))
	}
	finding.Releases, finding.Together = nil, nil
	s.clock(&finding)
	for _, asked := range s.byKind(finding.Asked) {
		if count, found := s.nearest(asked, world{now: f.Now}); found {
			finding.Releases = append(finding.Releases, ofCount(asked, count))
		}
	}
	if n, found := s.approvals(world{now: f.Now}); found {
		finding.Releases = append(finding.Releases, ofApprovals(n))
	}
	if len(finding.Releases) == 0 {
		finding.Together = s.together(finding.Asked)
	}
	return finding
}

// A supposition asks a rule what it would say in another world.
type supposition struct {
	policy *Policy
	facts  *Facts
	fleet  Fleet
	rule   *rule
	reads  reads
	// heard are the questions that were asked while it listened, with the answers that are true.
	heard  []Asked
	listen bool
}

// A world differs from what is in its clock, in some answers, and in approvals by others.
type world struct {
	now       time.Time
	counts    map[Question]int64
	approvals int
}

func (w world) with(q Question, count int64) world {
	counts := map[Question]int64{q: count}
	for other, n := range w.counts {
		if other != q {
			counts[other] = n
		}
	}
	w.counts = counts
	return w
}

// strangers approve in two ways, so that a rule which asks who it was is not taken for one that
// counts.
var strangers = []string{"~%d", "system:nobody:%d"}

// released tells whether the rule would not hold in a world, and when the clock next changes what it
// reads there.
func (s *supposition) released(w world) (released bool, turns time.Time, unknown bool) {
	if w.approvals == 0 {
		return s.ask(w, s.facts)
	}
	for _, stranger := range strangers {
		facts := *s.facts
		facts.Operation.Approvals = slices.Clone(facts.Operation.Approvals)
		for n := range w.approvals {
			facts.Operation.Approvals = append(facts.Operation.Approvals, fmt.Sprintf(stranger, n))
		}
		if released, turns, unknown = s.ask(w, &facts); !released {
			return released, turns, unknown
		}
	}
	return released, turns, unknown
}

func (s *supposition) ask(w world, facts *Facts) (released bool, turns time.Time, unknown bool) {
	j := s.policy.judge(facts, s.fleet)
	defer j.done()
	j.now, j.supposed, j.foresees = w.now, w.counts, true
	met, conditions := j.conditions()
	if !met {
		return true, conditions.trace.turns, false
	}
	if conditions.failed != nil {
		return false, conditions.trace.turns, conditions.trace.unknown
	}
	o := j.rule(s.rule)
	if !s.listen {
		return o.failed == nil && o.passed, sooner(conditions.trace.turns, o.trace.turns), o.trace.unknown
	}
	for _, asked := range j.questions(conditions.trace, o.trace) {
		if _, supposed := w.counts[asked.Question]; !supposed {
			s.heard = append(s.heard, asked)
		}
	}
	return o.failed == nil && o.passed, sooner(conditions.trace.turns, o.trace.turns), o.trace.unknown
}

// clock finds the first instant that releases. What the rule says changes only when a function of the
// clock does, so only those instants are tried; for a rule that reads the clock itself that is not
// known, and it is asked again every minute.
func (s *supposition) clock(finding *Finding) {
	recheck := func(d time.Duration) {
		if finding.Recheck == 0 || d < finding.Recheck {
			finding.Recheck = d
		}
	}
	if s.reads.rawClock {
		recheck(rawRecheck)
		return
	}
	s.turns(world{now: s.facts.Now}, turnsAhead, func(w world, released, unknown bool) bool {
		switch {
		case released:
			finding.Releases = append(finding.Releases, ofClock(w.now))
			return false
		case unknown:
			recheck(w.now.Sub(s.facts.Now))
			return false
		}
		return true
	})
}

// turns of the clock from a world on, one after the other, as long as visit says so.
func (s *supposition) turns(w world, most int, visit func(w world, released, unknown bool) bool) {
	_, next, _ := s.released(w)
	for range most {
		if !next.After(w.now) || next.Sub(s.facts.Now) > horizon {
			return
		}
		w.now = next
		var released, unknown bool
		if released, next, unknown = s.released(w); !visit(w, released, unknown) {
			return
		}
	}
}

// nearest count of a question that releases: towards nothing first, then the other way.
func (s *supposition) nearest(asked Asked, w world) (int64, bool) {
	count := asked.Answer.Count
	try := func(n int64) bool {
		released, _, _ := s.released(w.with(asked.Question, n))
		return released
	}
	for n := count - 1; n >= max(0, count-stepsDown); n-- {
		if try(n) {
			return n, true
		}
	}
	if low, high := int64(0), count-stepsDown; high > 0 && try(low) {
		// Far away it is looked for by halves, as if fewer were never worse.
		for high-low > 1 {
			if middle := low + (high-low)/2; try(middle) {
				low = middle
			} else {
				high = middle
			}
		}
		return low, true
	}
	for n := count + 1; n <= count+stepsUp; n++ {
		if try(n) {
			return n, true
		}
	}
	return 0, false
}

// approvals that are missing.
func (s *supposition) approvals(w world) (int, bool) {
	if !s.reads.approvals {
		return 0, false
	}
	for w.approvals = 1; w.approvals <= approvalsAhead; w.approvals++ {
		if released, _, _ := s.released(w); released {
			return w.approvals, true
		}
	}
	return 0, false
}

// byKind gives what ends soonest first: Operations, then servers, then failures, and last the size of
// the fleet.
func (s *supposition) byKind(asked []Asked) []Asked {
	order := []Kind{Active, Unavailable, Failed, Total}
	sorted := slices.Clone(asked)
	slices.SortStableFunc(sorted, func(a, b Asked) int {
		return slices.Index(order, a.Question.Kind) - slices.Index(order, b.Question.Kind)
	})
	return sorted
}

func ofClock(at time.Time) Release {
	return Release{At: at, Text: "at " + instant(at)}
}

func ofCount(asked Asked, count int64) Release {
	return Release{
		Question: &asked.Question, Count: count,
		Text: fmt.Sprintf("%s, instead of %d", asked.Question.Tell(count), asked.Answer.Count),
	}
}

func ofApprovals(n int) Release {
	if n == 1 {
		return Release{Approvals: n, Text: "one more approval, by another user"}
	}
	return Release{Approvals: n, Text: fmt.Sprintf("%d more approvals, by different users", n)}
}
