package image

import (
	"context"
	"sync"
)

// flight is one Get that is on its way for all who wait for it.
type flight struct {
	done   chan struct{}
	cancel context.CancelFunc
	base   Base
	err    error

	mu      sync.Mutex
	waiters map[*func(Progress)]struct{}
	left    bool // everybody has gone: it ends, and is not to be joined
}

func (f *flight) report(p Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for report := range f.waiters {
		if *report != nil {
			(*report)(p)
		}
	}
}

// share joins the flight of a source, or begins one.
func (s *Store) share(ctx context.Context, w wanted, report func(Progress)) (Base, error) {
	for {
		f, joined := s.join(ctx, w, &report)
		select {
		case <-f.done:
			if joined {
				return f.base, f.err
			}
			// It was on its way out; its .partial is free now.
		case <-ctx.Done():
			if joined {
				f.leave(&report)
			}
			return Base{}, context.Cause(ctx)
		}
	}
}

// join a flight. One that everybody has left is waited for only.
func (s *Store) join(ctx context.Context, w wanted, report *func(Progress)) (f *flight, joined bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, flies := s.flights[w.key()]
	if flies {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.left {
			f.waiters[report] = struct{}{}
		}
		return f, !f.left
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f = &flight{done: make(chan struct{}), cancel: cancel, waiters: map[*func(Progress)]struct{}{report: {}}}
	s.flights[w.key()] = f
	go s.fly(own, w, f)
	return f, true
}

func (s *Store) fly(ctx context.Context, w wanted, f *flight) {
	defer f.cancel()
	f.base, f.err = s.get(ctx, w, seldom(f.report))
	s.mu.Lock()
	delete(s.flights, w.key())
	s.mu.Unlock()
	close(f.done)
}

func (f *flight) leave(report *func(Progress)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiters, report)
	if len(f.waiters) == 0 {
		f.left = true
		f.cancel()
	}
}
