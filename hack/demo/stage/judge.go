package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// verdict is what the records of the sites amount to.
type verdict struct {
	repaves int      // that succeeded
	reboots []string // jobs of what a person did by hand
	again   []string // servers that needed one job more than others
	most    int      // servers of one rack that were out at once
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
		var servers v1alpha1.ServerList
		if err := d.cluster.List(ctx, &servers, client.InNamespace(s.plan.name)); err != nil {
			return fmt.Errorf("listing the servers of %s: %w", s.plan.name, err)
		}
		v.add(s, servers.Items, events)
	}
	v.check(len(v.reboots) == 1, "%s was rebooted %d times, not once", precious, len(v.reboots))
	if len(v.wrong) > 0 {
		return errors.Join(v.wrong...)
	}
	d.screen.say("PASS  %d repaves, each server once for each commit that changed it (%s at the second attempt), at most %d at once of a rack (limit 1), %s",
		v.repaves, strings.Join(v.again, ", "), v.most, since(d.began))
	d.screen.say("      1 reboot of %s, once a second person had agreed", precious)
	d.screen.say("real: API server, git, HTTP, controller, policies, hooks.  simulated: the machines.  judged by: the datacenters' own records")
	return nil
}

// jobs of one server, as its site tells.
type jobs struct{ accepted, succeeded, live int }

// add judges one site: each server has one repave that succeeded for each commit that changed what it should have, never
// two jobs at a time, and no more jobs than what failed on purpose calls for; of a rack never two are out at once, and
// the site never had more jobs than its limit.
func (v *verdict) add(s *site, servers []v1alpha1.Server, events []event) {
	done, racks := map[string]*jobs{}, map[string]int{}
	rack := map[string]string{}
	for i := range servers {
		done[servers[i].Name], rack[servers[i].Name] = &jobs{}, servers[i].Labels["rack"]
	}
	for _, e := range events {
		j := done[e.ServerID]
		if j == nil {
			j = &jobs{}
			done[e.ServerID] = j
		}
		switch e.Kind {
		case "accepted":
			v.accepted(e, j)
			j.live++
			racks[rack[e.ServerID]]++
			v.check(j.live <= 1, "%s: two jobs at a time on %s", s.plan.name, e.ServerID)
			v.check(racks[rack[e.ServerID]] <= 1, "%s: two servers of rack %s are out at once", s.plan.name, rack[e.ServerID])
			v.most = max(v.most, racks[rack[e.ServerID]])
		case "ended":
			j.live--
			racks[rack[e.ServerID]]--
			if e.Phase == "succeeded" && !slices.Contains(v.reboots, e.JobID) {
				j.succeeded++
			}
		}
		v.check(e.Live <= s.plan.limit, "%s: %d jobs at once, and its limit is %d", s.plan.name, e.Live, s.plan.limit)
	}
	v.count(s, servers, done)
}

// accepted counts a job where it belongs: all but the reboot by hand are of a commit.
func (v *verdict) accepted(e event, j *jobs) {
	if e.Action == "reboot" && e.ServerID == precious {
		v.reboots = append(v.reboots, e.JobID)
		return
	}
	j.accepted++
}

func (v *verdict) check(is bool, format string, args ...any) {
	if !is {
		v.wrong = append(v.wrong, fmt.Errorf(format, args...))
	}
}

func (v *verdict) count(s *site, servers []v1alpha1.Server, done map[string]*jobs) {
	v.check(len(done) == len(servers), "%s: %d servers were repaved, and there are %d", s.plan.name, len(done), len(servers))
	slices.SortFunc(servers, func(a, b v1alpha1.Server) int { return strings.Compare(a.Name, b.Name) })
	for i := range servers {
		server := &servers[i]
		wanted, os := 1, server.Status.CurrentOS
		if server.Labels["role"] == changed {
			wanted = 2
			v.check(os == newOS, "%s: %s has OS %s, not %s", s.plan.name, server.Name, os, newOS)
		}
		accepted := wanted
		if s.plan.name == west && server.Name == unlucky {
			accepted++
			v.again = append(v.again, server.Name)
		}
		j := done[server.Name]
		v.check(j.succeeded == wanted && j.accepted == accepted, "%s: %s had %d jobs of which %d succeeded, not %d and %d", s.plan.name, server.Name, j.accepted, j.succeeded, accepted, wanted)
		v.repaves += j.succeeded
	}
}
