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

// late is how long after its connection broke a call reaches the site: long enough for the controller
// to have asked the site meanwhile, and to have been told that it knows of nothing.
const late = 700 * time.Millisecond

// TestRepliesOfTheSite loses, doubles and delays each call of an Operation to its site.
func TestRepliesOfTheSite(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]proxy.Action{
		"lost": {Lose: true}, "duplicated": {Twice: true}, "landing late": {Late: late}, "never sent": {Drop: true},
		"unavailable":              {Answer: &proxy.Answer{Status: 503, RetryAfter: 1}},
		"unavailable, yet it acts": {Answer: &proxy.Answer{Status: 502}, Act: true},
	} {
		for _, s := range scenarios {
			for _, kind := range []string{"probe", "start", "status", "cancel"} {
				if kind == "cancel" && s.meddle == nil {
					continue
				}
				for _, times := range []int32{1, 5} {
					t.Run(fmt.Sprintf("%s/%s/%d times %s", s.name, kind, times, name), func(t *testing.T) {
						t.Parallel()
						s.misled(t, kind, times, action)
					})
				}
			}
		}
	}
}

// misled plays a scenario in which the first calls of a kind meet a fault.
func (s scenario) misled(t *testing.T, kind string, times int32, action proxy.Action) {
	r := newRoom(t, s.site, nil)
	came := new(atomic.Int32)
	s.play(r, func() {
		r.dc.Use(func(call proxy.Call) proxy.Action {
			if call.Verb == kind && came.Add(1) <= times {
				return action
			}
			return proxy.Action{}
		})
	})
	if came.Load() == 0 {
		t.Errorf("no %s was ever called", kind)
	}
}

// TestRequestLandsAfterItsTimeout lets a request reach the machine room only once the driver has given
// up waiting for it.
func TestRequestLandsAfterItsTimeout(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			slow := s
			slow.site.Faults = append([]site.Fault{{Kind: site.Late, Path: "/operations", Delay: site.Duration(12 * time.Second), Count: 1}}, s.site.Faults...)
			r := newRoom(t, slow.site, nil)
			slow.playThen(r, nil, r.site.WaitLate)
		})
	}
}

// TestEndedAtEveryStep cancels and deletes an Operation around each of its writes and calls, without
// any other fault.
func TestEndedAtEveryStep(t *testing.T) {
	t.Parallel()
	plain := scenario{name: "repave", site: site.Config{Duration: 600 * time.Millisecond}, end: v1alpha1.OperationSucceeded}
	for name, meddle := range map[string]func(*room, *v1alpha1.Operation) error{"cancel": cancelIt, "delete": deleteIt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range plain.count(t) {
				t.Run(at.String(), func(t *testing.T) {
					t.Parallel()
					endedAt(t, plain.site, at, meddle)
				})
			}
		})
	}
}

// endedAt plays a repave that a person ends at a point. How it ends is the clock's to say; that the
// record, the Operation and the Server tell the same is not.
func endedAt(t *testing.T, config site.Config, at point, meddle func(*room, *v1alpha1.Operation) error) {
	r := newRoom(t, config, nil)
	op := operation(r.namespace, "repave", 1, v1alpha1.ActionRepave)
	r.create(server(r.namespace, 1), op)
	r.until("it is seen", func() bool { return r.phase(op) != "" }) // or it would be taken as gone
	var begun, done atomic.Int32
	do := func() {
		defer done.Add(1)
		if err := meddle(r, op); err != nil {
			r.Error(err)
		}
	}
	action := proxy.Action{Before: do}
	if at.after {
		action = proxy.Action{After: do}
	}
	at.proxyOf(r).Use(func(call proxy.Call) proxy.Action {
		if call.String() != at.kind || call.Like != at.k {
			return proxy.Action{}
		}
		begun.Add(1)
		return action
	})
	r.start()
	r.until("the end", func() bool { return begun.Load() == done.Load() && r.settled(op) })
	r.aftermath(op)
}
