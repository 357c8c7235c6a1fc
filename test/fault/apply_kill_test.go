package fault

import (
	"sync"

	"stargate.io/stargate/test/proxy"
)

// blows kill the controller in the middle of an apply, one life after the other, until the commit that
// was pushed last is whole.
type blows struct {
	*fleetRoom
	// most writes of the apply that may pass before a blow; 0 kills at the first.
	most int
	// once: nobody is raised after the first blow.
	once bool

	mu     sync.Mutex
	left   int
	after  bool
	struck bool
	kills  int
	landed int
	over   chan struct{}
}

// strike arms the room. The channel is closed once the commit is whole, or nobody is raised any more.
func (f *fleetRoom) strike(most int, once bool) *blows {
	b := &blows{fleetRoom: f, most: most, once: once, over: make(chan struct{})}
	b.aim()
	f.api.Use(b.rule)
	return b
}

// aim the next blow. The caller holds the lock, or is alone.
func (b *blows) aim() {
	b.struck, b.left = false, 0
	if b.most > 0 {
		b.left = b.random(b.most + 1)
	}
	// One in sixteen is before the write. It makes no headway.
	b.after = b.random(16) > 0
}

// rule of the proxy. What is under way as the blow falls may land or not; what comes later does not.
func (b *blows) rule(call proxy.Call) proxy.Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case closed(b.over):
		return proxy.Action{}
	case b.struck && call.Write:
		return proxy.Action{Drop: true}
	case !isWriteOfApply(call):
		return proxy.Action{}
	case b.left > 0:
		b.left--
		b.landed++
		return proxy.Action{}
	}
	b.struck = true
	if b.after {
		b.landed++
		return proxy.Action{After: b.fall, Lose: true}
	}
	return proxy.Action{Before: b.fall, Drop: true}
}

// fall is the blow.
func (b *blows) fall() {
	b.killLast()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kills++
	b.nothingBegan()
	whole := b.isApplied()
	if whole || b.once || b.Failed() {
		close(b.over)
	}
	b.aim()
	if whole || !closed(b.over) {
		b.rise()
	}
}

// wait until it is over: by a blow that came too late, or since none comes any more. There are hundreds,
// so patience is for each.
func (b *blows) wait() {
	b.Helper()
	for over, kills := false, 0; !over; {
		before := kills
		b.until("the commit to be whole, or one more blow", func() bool {
			over, kills = b.look()
			return over || kills > before
		})
	}
}

// look tells whether it is over, and how many blows there were.
func (b *blows) look() (over bool, kills int) {
	whole := b.isApplied()
	b.mu.Lock()
	defer b.mu.Unlock()
	if whole && !b.struck && !closed(b.over) {
		close(b.over)
	}
	return closed(b.over), b.kills
}
