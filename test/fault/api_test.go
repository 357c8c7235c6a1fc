package fault

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/proxy"
)

// TestFaultsOfTheAPIServer meets each write of a repave with each way in which an API server, or the
// network before it, lets a writer down. The end is the same as without.
func TestFaultsOfTheAPIServer(t *testing.T) {
	t.Parallel()
	s := scenarios[0]
	points := s.count(t)
	for name, action := range map[string]proxy.Action{
		"conflict":                 {Answer: &proxy.Answer{Status: 409, Reason: "Conflict"}},
		"too many requests":        {Answer: &proxy.Answer{Status: 429, Reason: "TooManyRequests", RetryAfter: 1}},
		"internal error":           {Answer: &proxy.Answer{Status: 500, Reason: "InternalError"}},
		"committed, but timed out": {Answer: &proxy.Answer{Status: 504, Reason: "Timeout"}, Act: true},
		"committed, but lost":      {Lose: true},
		"committed late":           {Late: late},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range points {
				if at.site || at.after {
					continue
				}
				for _, times := range []int32{1, 3} {
					t.Run(fmt.Sprintf("%s %d, %d times", at.kind, at.k, times), func(t *testing.T) {
						t.Parallel()
						s.letDown(t, at, times, action)
					})
				}
			}
		})
	}
}

// letDown plays a scenario in which a write and those of its kind right after it meet a fault.
func (s scenario) letDown(t *testing.T, at point, times int32, action proxy.Action) {
	r := newRoom(t, s.site, nil)
	came := new(atomic.Int32)
	s.play(r, func() {
		r.api.Use(func(call proxy.Call) proxy.Action {
			if call.String() == at.kind && call.Like >= at.k && came.Add(1) <= times {
				return action
			}
			return proxy.Action{}
		})
	})
	if came.Load() == 0 {
		t.Errorf("%s %d never came", at.kind, at.k)
	}
}

// TestFrozenWatch holds the events of every watch back from each write on, until the Operation has
// ended or, where it cannot without them, for a while.
func TestFrozenWatch(t *testing.T) {
	t.Parallel()
	s := scenarios[0]
	points := s.count(t)
	for _, restarted := range []bool{false, true} {
		for _, at := range points {
			if at.site {
				continue
			}
			name := "frozen " + at.String()
			if restarted {
				name += ", and restarted"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.frozen(t, at, restarted)
			})
		}
	}
}

// blind is how long watches stay frozen at most: longer than a job and all that follows it take.
const blind = 3 * time.Second

// frozen plays a repave with frozen watches from a point on; restarted kills the controller as its
// first job ends, so that another begins with lists that are right and watches that tell nothing.
func (s scenario) frozen(t *testing.T, at point, restarted bool) {
	r := newRoom(t, s.site, nil)
	op := operation(r.namespace, s.name, 1, v1alpha1.ActionRepave)
	r.create(server(r.namespace, 1), op)
	r.until("it is seen", func() bool { return r.phase(op) != "" })
	action := proxy.Action{Before: r.api.Freeze}
	if at.after {
		action = proxy.Action{After: r.api.Freeze}
	}
	r.api.Use(proxy.AtLike(at.kind, at.k, action))
	r.start()
	r.until("the job ends", func() bool {
		jobs := r.jobs()
		return len(jobs) > 0 && jobs[0].phase != ""
	})
	if restarted {
		r.crash()
	}
	thaw := time.Now().Add(blind)
	r.until("the end, or the thaw", func() bool { return r.settled(op) || time.Now().After(thaw) })
	r.api.Thaw()
	r.until("the end", func() bool { return r.phase(op) == s.end && r.settled(op) })
	r.aftermath(op)
}

// TestBlindPeer lets one of two controllers see nothing of what the other does to the same servers.
func TestBlindPeer(t *testing.T) {
	r := newRoom(t, site.Config{Duration: 200 * time.Millisecond}, nil)
	const servers, each = 4, 4
	ops := r.manyOperations(servers, each)
	blindAPI := r.anotherProxy()
	blindAPI.Use(proxy.AtWrite(1, proxy.Action{Before: blindAPI.Freeze}))
	r.startWith(childOptions{APIServer: blindAPI.URL(), Namespaces: []string{r.namespace}})
	r.until("the first write of the one to be blinded", func() bool {
		_, writes := blindAPI.Calls()
		return writes > 0
	})
	r.start()
	thaw := time.Now().Add(2 * blind)
	r.until("the end, or the thaw", func() bool { return r.allEnded(ops) || time.Now().After(thaw) })
	blindAPI.Thaw()
	r.until("all end", func() bool { return r.allEnded(ops) })
	r.judgeAll(ops)
}
