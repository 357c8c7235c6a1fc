package fault

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/proxy"
)

// lease of the election: short, so that a takeover is.
const lease = 2 * time.Second

// TestPausedLeader stops a leader at each of its steps, until another has taken over and ended its
// work, and lets it go on then, with what it had decided before and perhaps a call still on its way.
func TestPausedLeader(t *testing.T) {
	s := scenario{name: "repave", site: site.Config{Duration: 200 * time.Millisecond}, end: v1alpha1.OperationSucceeded}
	for _, at := range s.count(t) {
		if at.kind == "probe" || at.k > 3 {
			continue // of these, none is a step of the Operation
		}
		name := at.String() + ", the call held back"
		if at.after {
			name = at.String() + ", the reply held back"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pausedAt(t, s, at)
		})
	}
}

// pausedAt plays a repave whose leader is stopped at a point.
func pausedAt(t *testing.T, s scenario, at point) {
	r := newRoom(t, s.site, nil)
	op := operation(r.namespace, s.name, 1, v1alpha1.ActionRepave)
	r.create(server(r.namespace, 1), op)
	r.until("it is seen", func() bool { return r.phase(op) != "" })
	replica := childOptions{Namespaces: []string{r.namespace}, Lease: lease}

	p := &pause{stopped: make(chan struct{}), goOn: make(chan struct{}), leader: make(chan *controller, 1)}
	t.Cleanup(p.end) // first, so that nothing is held back for ever
	action := proxy.Action{Before: p.begin}
	if at.after {
		action = proxy.Action{After: p.begin}
	}
	at.proxyOf(r).Use(proxy.AtLike(at.kind, at.k, action))
	leader := r.startWith(replica)
	p.leader <- leader
	first := r.holder("")
	follower := replica
	follower.APIServer = r.anotherProxy().URL()
	r.startWith(follower)
	r.until("it is stopped at "+at.String(), func() bool { return closed(p.stopped) })
	r.holder(first)
	r.until("the other has ended its work", func() bool { return r.settled(op) })
	p.end()
	leader.signal(syscall.SIGCONT)
	r.until("the one that was paused gives up", func() bool { return closed(leader.ended) })
	leader.killed.Do(func() {}) // it ended as it should
	r.until("the end", func() bool { return r.phase(op) == s.end && r.settled(op) })
	r.aftermath(op)
}

// pause of a leader in mid-call: what it was about to send, or to hear, comes through only at the end.
type pause struct {
	leader        chan *controller
	stopped, goOn chan struct{}
	once          sync.Once
}

// begin stops the leader and holds its call back; a proxy calls it.
func (p *pause) begin() {
	leader := <-p.leader
	leader.signal(syscall.SIGSTOP)
	close(p.stopped)
	<-p.goOn
}

func (p *pause) end() { p.once.Do(func() { close(p.goOn) }) }

// signal a controller. It fails only where the process is gone, and that is looked for elsewhere.
func (c *controller) signal(signal syscall.Signal) { _ = c.cmd.Process.Signal(signal) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// holder waits until the lease is held by another than the one named, and names it.
func (r *room) holder(before string) string {
	r.Helper()
	var name string
	r.until("somebody else leads", func() bool {
		var held coordinationv1.Lease
		err := r.live.Get(context.Background(), types.NamespacedName{Namespace: r.namespace, Name: "stargate"}, &held)
		if err != nil || held.Spec.HolderIdentity == nil {
			return false
		}
		name = *held.Spec.HolderIdentity
		return name != "" && name != before
	})
	return name
}
