package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

var paceStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestPace: the first passes of a burst are at once, the next ones are spaced by what they cost, and a
// clock that is set back holds nothing up for long.
func TestPace(t *testing.T) {
	key := types.NamespacedName{Name: "web"}
	for cost, want := range map[time.Duration]time.Duration{time.Millisecond: paceAtLeast, 100 * time.Millisecond: time.Second, time.Minute: paceAtMost} {
		p, now := newPace(), paceStart
		if wait := p.rest(key, now); wait > 0 {
			t.Errorf("the first pass waits %s", wait)
		}
		passes := 0
		for ; p.rest(key, now) <= 0; passes++ {
			p.passed(key, now, now.Add(cost))
		}
		if most := int(paceAhead/want) + 1; passes != most {
			t.Errorf("%d passes of %s are at once, not %d", passes, cost, most)
		}
		now = now.Add(p.rest(key, now))
		p.passed(key, now, now.Add(cost))
		if wait := p.rest(key, now); wait != want {
			t.Errorf("after a burst of passes of %s the next one waits %s, not %s", cost, wait, want)
		}
		if wait := p.rest(key, now.Add(-time.Hour)); wait > paceAtMost {
			t.Errorf("after the clock was set back it waits %s", wait)
		}
		p.forget(key)
		if wait := p.rest(key, now); wait > 0 {
			t.Errorf("a group made anew waits %s", wait)
		}
	}
}

// TestPaceHolds: what was written just now keeps the next pass waiting, whatever was saved up.
func TestPaceHolds(t *testing.T) {
	p, key := newPace(), types.NamespacedName{Name: "web"}
	p.passed(key, paceStart, paceStart.Add(time.Millisecond))
	p.hold(key, paceStart)
	if wait := p.rest(key, paceStart); wait != paceAtLeast {
		t.Errorf("after a write the next pass waits %s, not %s", wait, paceAtLeast)
	}
	if wait := p.rest(key, paceStart.Add(time.Minute)); wait > 0 {
		t.Errorf("after a rest it waits %s", wait)
	}
}
