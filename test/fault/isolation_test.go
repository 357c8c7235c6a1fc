package fault

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/proxy"
)

// slowdown is how much longer an Operation may take at one site because another hangs. Most of its
// time is waiting for the job, so that what a busy machine adds does not decide.
const slowdown = 1.5

// TestOneSiteHangs measures one site's Operations alone and while the other never answers.
func TestOneSiteHangs(t *testing.T) {
	config := site.Config{Duration: 300 * time.Millisecond}
	east, west := newRoom(t, config, nil), newRoom(t, config, nil)
	west.startWith(childOptions{Namespaces: []string{west.namespace, east.namespace}})
	measured := 0
	measure := func(n int) []time.Duration {
		measured++
		return west.oneByOne(fmt.Sprintf("round-%d", measured), n)
	}
	measure(2) // so that everything is warm
	alone := measure(6)
	var asked atomic.Int32
	hanging := east.hang(&asked)
	east.until("east hangs", func() bool { return asked.Load() > 16 })
	beside := measure(12)
	for _, op := range hanging {
		if phase := east.phase(op); phase != v1alpha1.OperationPending {
			t.Errorf("east's Operation %s is %s although its site never answers", op.Name, phase)
		}
	}
	east.dc.Use(nil)
	east.site.ClearFaults()
	alone = append(alone, measure(6)...)
	ratio := float64(median(beside)) / float64(median(alone))
	t.Logf("a repave takes %s alone and %s beside a site that hangs: ratio %.3f", median(alone), median(beside), ratio)
	if ratio > slowdown {
		t.Errorf("a site that hangs slows another down: %.3f, at most %.1f", ratio, slowdown)
	}
	east.until("east's Operations end once it answers", func() bool { return east.allEnded(hanging) })
	east.judgeAll(hanging)
}

// hang makes Operations at a site that acts and never answers, and counts what it is asked.
func (r *room) hang(asked *atomic.Int32) []*v1alpha1.Operation {
	r.Helper()
	if _, err := r.site.AddFault(site.Fault{Kind: site.HangReply}); err != nil {
		r.Fatal(err)
	}
	r.dc.Use(func(proxy.Call) proxy.Action {
		asked.Add(1)
		return proxy.Action{}
	})
	return r.manyOperations(48, 1)
}

// oneByOne runs repaves one after the other, each on a server of its own, and gives how long each
// took from its creation to its end.
func (r *room) oneByOne(round string, n int) []time.Duration {
	r.Helper()
	var took []time.Duration
	for i := range n {
		target := server(r.namespace, i+1)
		if !r.see(target) {
			r.create(target)
		}
		op := operation(r.namespace, fmt.Sprintf("%s-%d", round, i), i+1, v1alpha1.ActionRepave)
		begun := time.Now()
		r.create(op)
		r.until("west's Operation ends", func() bool { return r.phase(op) == v1alpha1.OperationSucceeded })
		took = append(took, time.Since(begun))
	}
	return took
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
