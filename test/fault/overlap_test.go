package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/proxy"
)

// anotherProxy of the API server for one more controller.
func (r *room) anotherProxy() *proxy.Proxy {
	r.Helper()
	p, err := proxy.API(r.config)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		r.endControllers() // they first: watches would hold the proxy open
		p.Close()
	})
	return p
}

// manyOperations makes servers, and several Operations for each, of which the first is a repave.
func (r *room) manyOperations(servers, each int) []*v1alpha1.Operation {
	r.Helper()
	var ops []*v1alpha1.Operation
	actions := []v1alpha1.Action{v1alpha1.ActionRepave, v1alpha1.ActionReboot, v1alpha1.ActionRepave, v1alpha1.ActionInspect}
	for n := range servers {
		r.create(server(r.namespace, n+1))
		for i := range each {
			op := operation(r.namespace, fmt.Sprintf("op-%03d-%d", n+1, i+1), n+1, actions[i%len(actions)])
			r.create(op)
			ops = append(ops, op)
		}
	}
	last := ops[len(ops)-1]
	r.until("all are seen", func() bool { return r.phase(last) != "" })
	return ops
}

// allEnded tells whether, as far as is seen, all Operations have ended.
func (r *room) allEnded(ops []*v1alpha1.Operation) bool {
	for _, op := range ops {
		if !r.phase(op).Terminal() {
			return false
		}
	}
	return true
}

// judgeAll judges every Operation, and looks for what is left of any.
func (r *room) judgeAll(ops []*v1alpha1.Operation) {
	r.Helper()
	for _, op := range ops {
		// A claim that one who was blind took for what had ended is given back once it sees.
		r.until(op.Name+" settles", func() bool { return r.settled(op) })
	}
	for _, op := range ops {
		r.judge(op)
		if now := op.DeepCopy(); r.see(now) && now.Status.Phase != v1alpha1.OperationSucceeded {
			r.Errorf("Operation %s ended %s: %s %+v", op.Name, now.Status.Phase, now.Status.Message, now.Status.Attempts)
		}
	}
	err := r.live.DeleteAllOf(context.Background(), &v1alpha1.Operation{}, client.InNamespace(r.namespace))
	if err != nil {
		r.Error(err)
	}
	r.until("all are gone", func() bool {
		var left v1alpha1.OperationList
		return r.live.List(context.Background(), &left, client.InNamespace(r.namespace)) == nil && len(left.Items) == 0
	})
}

// rival is one of two controllers that overlap, with what kills it.
type rival struct {
	*room
	api    *proxy.Proxy
	random *rand.Rand
	now    *controller
	kills  atomic.Int32
}

// rise starts the rival, and picks the write or list around which it will be killed.
func (v *rival) rise() {
	around := proxy.Action{Before: v.fall, Drop: true}
	if v.random.IntN(2) == 0 {
		around = proxy.Action{After: v.fall, Lose: true}
	}
	v.api.Restart()
	v.api.Use(nil)
	if v.kills.Load() < killsEach {
		v.api.Use(proxy.AtWrite(20+v.random.IntN(100), around))
	}
	v.now = v.startWith(childOptions{APIServer: v.api.URL(), Namespaces: []string{v.namespace}})
}

// fall kills the rival, and lets it rise again.
func (v *rival) fall() {
	v.kills.Add(1)
	if err := v.now.kill(); err != nil {
		v.Error(err)
	}
	v.rise()
}

// killsEach of the two rivals at most, so that they come to an end.
const killsEach = 8

// TestOverlap lets two controllers that do not know of each other work on the same servers, and kills
// both again and again.
func TestOverlap(t *testing.T) {
	r := newRoom(t, site.Config{Duration: 200 * time.Millisecond}, nil)
	ops := r.manyOperations(50, 4)
	var rivals []*rival
	for i := range uint64(2) {
		v := &rival{room: r, api: r.anotherProxy(), random: rand.New(rand.NewPCG(*seed, i))}
		rivals = append(rivals, v)
		v.rise()
	}
	r.until("all end", func() bool { return r.allEnded(ops) })
	for _, v := range rivals {
		v.api.Use(nil)
		if v.kills.Load() < 2 {
			t.Errorf("a rival was killed %d times only", v.kills.Load())
		}
	}
	jobs := r.jobs()
	r.judgeAll(ops)
	t.Logf("%d Operations, %d jobs, %d and %d kills, API calls %v", len(ops), len(jobs), rivals[0].kills.Load(), rivals[1].kills.Load(), rivals[0].api.Counts())
	if len(jobs) != len(ops) {
		t.Errorf("the site made %d jobs for %d Operations", len(jobs), len(ops))
	}
}
