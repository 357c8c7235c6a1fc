package fault

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"stargate.io/stargate/test/proxy"
)

// point is a moment at which the controller is killed: around the k-th call of a kind.
type point struct {
	// site: the call is one to the datacenter, else one to the API server.
	site bool
	kind string
	k    int
	// after: the server has acted, and the controller has not heard of it. Else the call never left.
	after bool
}

func (p point) String() string {
	side, when := "api", "before"
	if p.site {
		side = "site"
	}
	if p.after {
		when = "after"
	}
	return fmt.Sprintf("%s %s %s %d", when, side, p.kind, p.k)
}

// proxyOf gives the proxy that a point is at.
func (p point) proxyOf(r *room) *proxy.Proxy {
	if p.site {
		return r.dc
	}
	return r.api
}

// around makes an action of what is to be done at the point.
func (p point) around(do func()) proxy.Action {
	if p.after {
		return proxy.Action{After: do, Lose: true}
	}
	return proxy.Action{Before: do, Drop: true}
}

// kill arms a room to kill the controller at each of some points, one after the other: a point counts
// the calls of the process that was started after the one before. It tells how many came.
func kill(r *room, points ...point) *atomic.Int32 {
	came := new(atomic.Int32)
	var arm func(left []point)
	arm = func(left []point) {
		r.api.Restart()
		r.dc.Restart()
		r.api.Use(nil)
		r.dc.Use(nil)
		if len(left) == 0 {
			return
		}
		at := left[0]
		at.proxyOf(r).Use(proxy.AtLike(at.kind, at.k, at.around(func() {
			came.Add(1)
			r.killLast()
			arm(left[1:])
			r.start()
		})))
	}
	arm(points)
	return came
}

// count plays a scenario without faults, and gives a point before and after each call that it took:
// each write to the API server, each call to the site.
func (s scenario) count(t *testing.T) []point {
	t.Helper()
	r := newRoom(t, s.site, nil)
	writes := map[string]int{}
	var calls map[string]int
	r.api.Use(func(call proxy.Call) proxy.Action {
		if call.Write {
			writes[call.String()]++
		}
		return proxy.Action{}
	})
	s.playThen(r, nil, func() { calls = r.dc.Counts() })
	t.Logf("%s takes %v at the API server and %v at the site", s.name, writes, calls)
	var points []point
	for _, after := range []bool{false, true} {
		for _, kind := range slices.Sorted(maps.Keys(writes)) {
			for k := range writes[kind] {
				points = append(points, point{kind: kind, k: k + 1, after: after})
			}
		}
		for _, kind := range slices.Sorted(maps.Keys(calls)) {
			for k := range calls[kind] {
				points = append(points, point{site: true, kind: kind, k: k + 1, after: after})
			}
		}
	}
	return points
}

// TestExactlyOnce kills the controller before and after every write and every call of an Operation.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			points := s.count(t)
			if len(points) < 20 {
				t.Errorf("only %d points to kill at: the proxies do not see the controller's calls", len(points))
			}
			came := new(atomic.Int32)
			t.Cleanup(func() { t.Logf("%s: killed at %d of %d points", s.name, came.Load(), len(points)) })
			for _, at := range points {
				t.Run(at.String(), func(t *testing.T) {
					t.Parallel()
					came.Add(s.killed(t, at))
				})
			}
			for i, pair := range somePairs(points) {
				t.Run(fmt.Sprintf("pair %d, %s, then %s", i, pair[0], pair[1]), func(t *testing.T) {
					t.Parallel()
					s.killed(t, pair[:]...)
				})
			}
		})
	}
}

// killed plays the scenario with a kill at each point, and tells how many came.
func (s scenario) killed(t *testing.T, points ...point) int32 {
	r := newRoom(t, s.site, nil)
	var came *atomic.Int32
	s.play(r, func() { came = kill(r, points...) })
	// How many polls and probes there are is up to the clock, and so is a write that met a conflict.
	if clocked := points[0].kind == "probe" || points[0].kind == "status"; came.Load() == 0 && points[0].k == 1 && !clocked {
		t.Errorf("%s never came", points[0])
	}
	return came.Load()
}

// somePairs gives pairs of points, as many as the flag says.
func somePairs(points []point) [][2]point {
	var all [][2]point
	for _, first := range points {
		for _, second := range points {
			all = append(all, [2]point{first, second})
		}
	}
	if *pairs < 0 {
		return all
	}
	random := rand.New(rand.NewPCG(*seed, 0))
	random.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all[:min(*pairs, len(all))]
}
