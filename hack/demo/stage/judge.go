package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// verdict is what the records of the sites amount to.
type verdict struct {
	repaved int      // servers with exactly one repave that succeeded
	again   []string // servers that needed a second job
	most    []string // per site: how many jobs at once, of how many allowed
	wrong   []error
}

// judge asks the datacenters, not the controller, what was done.
func (d *demo) judge(ctx context.Context) error {
	var v verdict
	for _, s := range d.sites {
		events, err := s.record(ctx)
		if err != nil {
			return err
		}
		v.add(s, events)
	}
	if len(v.wrong) > 0 {
		return errors.Join(v.wrong...)
	}
	retried := ""
	if len(v.again) > 0 {
		retried = fmt.Sprintf(" (%s at the second attempt)", strings.Join(v.again, ", "))
	}
	d.screen.say("PASS  %d servers repaved once each%s, %s, %s", v.repaved, retried, strings.Join(v.most, ", "), since(d.began))
	d.screen.say("real: API server, HTTP, controller.  simulated: the machines.  judged by: the datacenters' own records")
	return nil
}

// jobs of one server, as its site tells.
type jobs struct{ accepted, succeeded, live int }

// add judges one site: each server has one repave that succeeded, never two jobs at a time, and no more jobs than what
// failed on purpose calls for; the site never had more of them than its limit.
func (v *verdict) add(s *site, events []event) {
	servers := map[string]*jobs{}
	most := 0
	for _, e := range events {
		j := servers[e.ServerID]
		if j == nil {
			j = &jobs{}
			servers[e.ServerID] = j
		}
		switch e.Kind {
		case "accepted":
			j.accepted++
			j.live++
			if j.live > 1 {
				v.wrong = append(v.wrong, fmt.Errorf("%s: two jobs at a time on %s", s.name, e.ServerID))
			}
		case "ended":
			j.live--
			if e.Phase == "succeeded" {
				j.succeeded++
			}
		}
		most = max(most, e.Live)
	}
	v.count(s, servers)
	if most > s.limit {
		v.wrong = append(v.wrong, fmt.Errorf("%s: %d jobs at once, and its limit is %d", s.name, most, s.limit))
	}
	v.most = append(v.most, fmt.Sprintf("at most %d at once in %s (limit %d)", most, s.name, s.limit))
}

func (v *verdict) count(s *site, servers map[string]*jobs) {
	var names []string
	for name, j := range servers {
		if j.accepted > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) != s.total {
		v.wrong = append(v.wrong, fmt.Errorf("%s: %d servers were asked for, %d were repaved", s.name, s.total, len(names)))
	}
	for _, name := range names {
		j := servers[name]
		wanted := 1
		if s.name == west && name == unlucky {
			wanted = 2
			v.again = append(v.again, name)
		}
		if j.succeeded != 1 || j.accepted != wanted {
			v.wrong = append(v.wrong, fmt.Errorf("%s: %s had %d jobs of which %d succeeded, not %d and 1", s.name, name, j.accepted, j.succeeded, wanted))
			continue
		}
		v.repaved++
	}
}
