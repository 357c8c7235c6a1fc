package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"stargate.io/stargate/engine/ledger"
)

// atOnce is how many waiting Operations are looked at while nobody else can ask the ledger.
const atOnce = 64

// sweeper has the ledger look, by and by, at those who wait since before the policies changed, or for a
// rule that asks several things.
type sweeper struct {
	ledger *ledger.Ledger
	clock  clock.PassiveClock
	wake   func(types.NamespacedName)
	kicked chan struct{}
}

func newSweeper(places *ledger.Ledger, clk clock.PassiveClock, wake func(types.NamespacedName)) *sweeper {
	return &sweeper{ledger: places, clock: clk, wake: wake, kicked: make(chan struct{}, 1)}
}

// kick says that there may be somebody to look at.
func (s *sweeper) kick() {
	select {
	case s.kicked <- struct{}{}:
	default:
	}
}

// told wakes Operations, after something changed in the ledger.
func (s *sweeper) told(keys []ledger.Key) {
	for _, key := range keys {
		if namespace, name, ok := splitKey(key); ok {
			s.wake(types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
	if s.ledger.Behind() {
		s.kick()
	}
}

// run until the context ends.
func (s *sweeper) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.kicked:
			for more := true; more && ctx.Err() == nil; {
				var woken []ledger.Key
				woken, more = s.ledger.Sweep(atOnce, s.clock.Now())
				s.told(woken)
			}
		}
	}
}
