package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// TestPace: the first pass of a burst is at once, the next ones are spaced by what they cost, and a clock
// that is set back holds nothing up for long.
func TestPace(t *testing.T) {
	p, key, now := newPace(), types.NamespacedName{Name: "web"}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if wait := p.rest(key, now); wait > 0 {
		t.Errorf("the first pass waits %s", wait)
	}
	for cost, want := range map[time.Duration]time.Duration{time.Millisecond: paceAtLeast, 100 * time.Millisecond: time.Second, time.Minute: paceAtMost} {
		p.passed(key, now, now.Add(cost))
		if wait := p.rest(key, now); wait != want {
			t.Errorf("after a pass of %s the next one waits %s, not %s", cost, wait, want)
		}
	}
	if wait := p.rest(key, now.Add(-time.Hour)); wait > paceAtMost {
		t.Errorf("after the clock was set back it waits %s", wait)
	}
	p.forget(key)
	if wait := p.rest(key, now); wait > 0 {
		t.Errorf("a group made anew waits %s", wait)
	}
}
