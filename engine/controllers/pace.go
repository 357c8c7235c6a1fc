package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// paceAtLeast is how far apart two passes over one group are at least: what happens in between costs
	// one pass, whether it is one server that ended or ten thousand.
	paceAtLeast = 200 * time.Millisecond
	// paceShare is how many times as long as a pass took the next one waits, so that the passes over a
	// group take a bounded share of a processor however large it is; paceAtMost bounds that.
	paceShare  = 10
	paceAtMost = 5 * time.Second
	// paceAhead is how far passes over a group that was at rest may run ahead of that. A commit changes a
	// profile, then a group, then its Fleet: the pass over the first, which can start nothing yet, must
	// not keep the last one waiting.
	paceAhead = 3 * paceAtLeast
)

// pace spaces the passes over each group. The first few of a burst are at once.
type pace struct {
	mu sync.Mutex
	// next pass over a group, were none ever ahead.
	next map[types.NamespacedName]time.Time
}

func newPace() *pace { return &pace{next: map[types.NamespacedName]time.Time{}} }

// rest is how long the next pass has to wait; zero or less for not at all.
func (p *pace) rest(key types.NamespacedName, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, ok := p.next[key]
	if !ok {
		return 0
	}
	// A clock that was set back must not hold anything up.
	return min(next.Sub(now)-paceAhead, paceAtMost)
}

// passed notes a pass.
func (p *pace) passed(key types.NamespacedName, began, ended time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.next[key]
	if from.Before(began) {
		from = began
	}
	p.next[key] = from.Add(min(max(paceAtLeast, paceShare*ended.Sub(began)), paceAtMost))
}

// hold the next pass back: what was written just now is not in the cache yet.
func (p *pace) hold(key types.NamespacedName, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if next := now.Add(paceAhead + paceAtLeast); p.next[key].Before(next) {
		p.next[key] = next
	}
}

// forget a group that is gone.
func (p *pace) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.next, key)
}
