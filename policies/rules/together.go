package rules

import "slices"

// turnsTogether of the clock are tried beside other changes.
const turnsTogether = 16

// A lever is one thing that may change: a count, the clock, or approvals.
type lever interface {
	// far gives worlds in which it is moved as far as makes sense.
	far(s *supposition, w world) []world
	// least moves it as little as releases.
	least(s *supposition, w world) (Release, world, bool)
}

type (
	countLever    struct{ Asked }
	clockLever    struct{}
	approvalLever struct{}
)

func (l countLever) far(_ *supposition, w world) []world {
	return []world{w.with(l.Question, 0), w.with(l.Question, l.Answer.Count+stepsUp)}
}

func (l countLever) least(s *supposition, w world) (Release, world, bool) {
	count, found := s.nearest(l.Asked, w)
	return ofCount(l.Asked, count), w.with(l.Question, count), found
}

// far of a clock are its next turns, one after the other.
func (clockLever) far(s *supposition, w world) []world {
	var then []world
	s.turns(w, turnsTogether, func(w world, _, unknown bool) bool {
		then = append(then, w)
		return !unknown
	})
	return then
}

func (clockLever) least(s *supposition, w world) (r Release, at world, found bool) {
	s.turns(w, turnsAhead, func(then world, released, unknown bool) bool {
		r, at, found = ofClock(then.now), then, released
		return !released && !unknown
	})
	return r, at, found
}

func (approvalLever) far(_ *supposition, w world) []world {
	w.approvals = approvalsAhead
	return []world{w}
}

func (approvalLever) least(s *supposition, w world) (Release, world, bool) {
	n, found := s.approvals(w)
	w.approvals = n
	return ofApprovals(n), w, found
}

// together finds two changes that release at once where neither does alone, each the least that will
// do beside the other. With one of them moved far, a rule may ask what it did not ask before.
func (s *supposition) together(asked []Asked) []Release {
	now := world{now: s.facts.Now}
	for _, first := range s.levers(asked) {
		for _, far := range first.far(s, now) {
			s.heard, s.listen = nil, true
			released, _, _ := s.released(far)
			if s.listen = false; released {
				continue // Alone, then, though further off than is looked for.
			}
			for _, second := range s.levers(append(s.byKind(asked), s.heard...)) {
				if pair := s.pair(first, second, far, now); pair != nil {
					return pair
				}
			}
		}
	}
	return nil
}

// pair moves the second as little as releases with the first far away, then the first back as near as
// it may come, then the second again.
func (s *supposition) pair(first, second lever, far, now world) []Release {
	if same(first, second) {
		return nil
	}
	_, _, found := second.least(s, far)
	if !found {
		return nil
	}
	// What the second alone makes of the world as it is, at the place that was found.
	release, then, _ := second.least(s, far)
	then = s.without(first, then, now)
	for range 3 {
		near, moved, found := first.least(s, then)
		if !found {
			return nil
		}
		again, settled, found := second.least(s, s.without(second, moved, now))
		if !found {
			return nil
		}
		if again.Text == release.Text {
			return []Release{near, again}
		}
		release, then = again, s.without(first, settled, now)
	}
	return nil
}

// without takes back what a lever did to a world.
func (s *supposition) without(l lever, w, now world) world {
	switch l := l.(type) {
	case countLever:
		counts := map[Question]int64{}
		for q, n := range w.counts {
			if q != l.Question {
				counts[q] = n
			}
		}
		w.counts = counts
	case clockLever:
		w.now = now.now
	case approvalLever:
		w.approvals = 0
	}
	return w
}

func same(a, b lever) bool {
	x, isCount := a.(countLever)
	y, alsoCount := b.(countLever)
	if isCount && alsoCount {
		return x.Question == y.Question
	}
	return a == b
}

// levers that there are, given the questions.
func (s *supposition) levers(asked []Asked) []lever {
	var levers []lever
	for i, a := range asked {
		if !slices.ContainsFunc(asked[:i], func(b Asked) bool { return a.Question == b.Question }) {
			levers = append(levers, countLever{a})
		}
	}
	if s.reads.approvals {
		levers = append(levers, approvalLever{})
	}
	if !s.reads.rawClock {
		levers = append(levers, clockLever{})
	}
	return levers
}
