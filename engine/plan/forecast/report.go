package forecast

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// Forecast runs the rollouts of all groups on a virtual clock: once with the time that repaves likely
// take, and once with that which nine in ten do not exceed. The two histories know nothing of each other,
// and run side by side: the functions of the input are called from two goroutines.
func Forecast(in Input) Timeline {
	quiet := in
	quiet.Progress = nil
	var late *world
	var other sync.WaitGroup
	other.Go(func() {
		late = newWorld(&quiet, true)
		late.roll()
	})
	likely := newWorld(&in, false)
	likely.roll()
	t := likely.report()
	other.Wait()
	t.LateEnd = late.lastEnd()
	for i := range t.Groups {
		for j := range t.Groups[i].Waves {
			wave := &t.Groups[i].Waves[j]
			if other := late.lanes[i].waves[wave.Name]; other != nil && other.running == 0 && len(other.servers) >= len(wave.Servers) {
				wave.LateDone = other.done
			}
		}
	}
	t.Decisions += late.decisions
	t.Cut = t.Cut || late.cut
	return t
}

// report what happened.
func (w *world) report() Timeline {
	t := Timeline{Starts: w.starts, Denied: w.denied, Complete: !w.cut, Cut: w.cut, End: w.lastEnd(), Runs: w.in.Durations.Runs(), Decisions: w.decisions}
	took := make([]bool, len(w.lanes))
	for i, l := range w.lanes {
		took[i] = l.started()
		g := l.report()
		t.Complete = t.Complete && g.Complete
		t.Groups = append(t.Groups, g)
	}
	t.Worst = w.worstMoment(took, t.Groups)
	return t
}

// lastEnd of an Operation that a rollout made.
func (w *world) lastEnd() time.Time {
	var last time.Time
	for _, l := range w.lanes {
		for _, wave := range l.order {
			if wave.done.After(last) {
				last = wave.done
			}
		}
	}
	return last
}

func (l *lane) started() bool {
	return slices.ContainsFunc(l.order, func(w *wave) bool { return len(w.servers) > 0 })
}

func (l *lane) report() Group {
	status := &l.group.Status
	g := Group{
		Namespace: l.group.Namespace, Name: l.group.Name, Profile: l.snapshot.Profile.Name, Revision: status.Revision.Name,
		Servers: len(l.machines), Unchanged: l.unchanged, Complete: len(status.InFlight) == 0, Approvals: l.approvals,
	}
	var missing int
	g.Skipped, missing = l.skipped()
	g.Complete = g.Complete && missing == 0
	if !g.Complete {
		g.Holds = status.Holds
	}
	for _, w := range l.inOrder() {
		out := Wave{Name: w.name, Servers: w.servers, Start: w.start, Estimate: w.estimate, Peak: w.peak, HeldBy: w.heldBy, Approval: w.approval}
		if w.running == 0 {
			out.Done = w.done
		}
		if len(w.servers) > 0 || len(w.heldBy) > 0 && !g.Complete {
			g.Waves = append(g.Waves, out)
		}
	}
	return g
}

// skipped servers differ and are passed by; so many more differ and are not.
func (l *lane) skipped() (skipped []Skipped, missing int) {
	left := map[string]Skipped{}
	for _, each := range l.group.Status.Left {
		left[each.Server] = Skipped{Server: each.Server, Reason: string(each.Reason), Message: each.Message}
	}
	for _, m := range l.machines {
		if l.has(&m.server) {
			continue
		}
		why := l.passes(&m.server)
		if each, found := left[m.server.Name]; found && why == nil {
			why = &each
		}
		if why == nil {
			missing++
			continue
		}
		skipped = append(skipped, *why)
	}
	return skipped, missing
}

// inOrder gives the waves in that of the group's status.
func (l *lane) inOrder() []*wave {
	place := map[string]int{}
	for i := range l.group.Status.Waves {
		place[l.group.Status.Waves[i].Name] = i + 1
	}
	waves := slices.Clone(l.order)
	slices.SortStableFunc(waves, func(a, b *wave) int { return cmp.Compare(place[a.name], place[b.name]) })
	return waves
}

// has tells whether a server has what the group wants.
func (l *lane) has(server *v1alpha1.Server) bool {
	applied := server.Status.Applied
	return applied != nil && applied.Hash == l.snapshot.Profile.Hash && server.Status.State != v1alpha1.ServerUntouched
}

// passes tells why the rollout passes a server by; nil where it does not.
func (l *lane) passes(server *v1alpha1.Server) *Skipped {
	s := &Skipped{Server: server.Name}
	switch {
	case l.snapshot.SharedWith[server.Name] != "":
		s.Reason, s.Message = v1alpha1.ReasonGroupConflict, "ServerGroup "+l.snapshot.SharedWith[server.Name]+" selects it too"
	case len(l.snapshot.Conflicts[server.Name]) > 0:
		s.Reason, s.Message = v1alpha1.ReasonIdentityConflict, l.snapshot.Conflicts[server.Name][0]
	case server.Status.Quarantine != nil:
		s.Reason, s.Message = v1alpha1.ReasonServerQuarantined, "quarantined"+because(server.Status.Quarantine.Reason)
	case server.Spec.Paused:
		s.Reason, s.Message = v1alpha1.ReasonServerPaused, "paused"+because(server.Spec.Reason)
	case server.Spec.Maintenance:
		s.Reason, s.Message = v1alpha1.ReasonServerMaintenance, "in maintenance"+because(server.Spec.Reason)
	case l.drifted(server):
		s.Reason, s.Message = v1alpha1.ReasonDrifted, "somebody gave it other content since the revision came, and onDrift says to report that"
	default:
		return nil
	}
	return s
}

// drifted tells whether the planner reports a server and leaves it so.
func (l *lane) drifted(server *v1alpha1.Server) bool {
	revision, applied := &l.group.Status.Revision, server.Status.Applied
	return l.group.Spec.Rollout.OnDrift != v1alpha1.DriftRepave && applied != nil && revision.ProfileHash == l.snapshot.Profile.Hash &&
		revision.StartedAt != nil && applied.At.After(revision.StartedAt.Time)
}

// worstMoment of the groups that took something; that of each of them is written into it.
func (w *world) worstMoment(took []bool, groups []Group) Moment {
	all, each := newLow(w.in.Now), make([]low, len(w.lanes))
	for i, l := range w.lanes {
		most := rollout.MaxUnavailable(l.group.Spec.Rollout.MaxUnavailable, len(l.machines))
		each[i] = newLow(w.in.Now)
		each[i].add(l.up, l.touched, max(0, l.touched-most))
		if took[i] {
			all.add(l.up, l.touched, max(0, l.touched-most))
		}
	}
	for _, c := range w.changes {
		each[c.lane].turn(c)
		if took[c.lane] {
			all.turn(c)
		}
	}
	for i := range groups {
		groups[i].Worst = each[i].end()
	}
	return all.end()
}

// low finds the moment with the fewest up: what happens at one time counts together.
type low struct {
	worst Moment
	at    time.Time
	up    int
}

func newLow(at time.Time) low { return low{worst: Moment{At: at}, at: at} }

func (l *low) add(up, of, floor int) {
	l.up += up
	l.worst.Up, l.worst.Of, l.worst.Floor = l.up, l.worst.Of+of, l.worst.Floor+floor
}

func (l *low) turn(c change) {
	if !c.at.Equal(l.at) {
		l.end()
		l.at = c.at
	}
	l.up += int(c.by)
}

func (l *low) end() Moment {
	if l.up < l.worst.Up {
		l.worst.At, l.worst.Up = l.at, l.up
	}
	return l.worst
}
