package hooks

import (
	"context"
	"slices"
	"sync"
)

// line in which runs wait for a worker: first come, first served, but that one hook takes at most its share.
type line struct {
	workers, share, most int

	mu      sync.Mutex
	busy    int
	running map[string]int
	waiting []*waiter
}

type waiter struct {
	hook string
	turn chan struct{}
}

func newLine(workers, most int) *line {
	return &line{workers: workers, share: max(workers/2, 1), most: most, running: map[string]int{}}
}

// enter waits for a worker; whoever got in leaves.
func (l *line) enter(ctx context.Context, hook string) (leave func(), err error) {
	w := &waiter{hook: hook, turn: make(chan struct{})}
	l.mu.Lock()
	if len(l.waiting) >= l.most {
		l.mu.Unlock()
		return nil, ErrBusy
	}
	l.waiting = append(l.waiting, w)
	l.admit()
	l.mu.Unlock()
	select {
	case <-w.turn:
	case <-ctx.Done():
		if l.gaveUp(w) {
			return nil, ctx.Err()
		}
	}
	return func() { l.left(hook) }, nil
}

// admit lets in all that may, in their order.
func (l *line) admit() {
	for i := 0; i < len(l.waiting) && l.busy < l.workers; {
		w := l.waiting[i]
		if l.running[w.hook] >= l.share {
			i++
			continue
		}
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.busy++
		l.running[w.hook]++
		close(w.turn)
	}
}

// gaveUp takes one out of the line, unless it was let in just now.
func (l *line) gaveUp(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.waiting, w)
	if at < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, at, at+1)
	return true
}

func (l *line) left(hook string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	if l.running[hook]--; l.running[hook] == 0 {
		delete(l.running, hook)
	}
	l.admit()
}
