package rollout

import (
	"fmt"
	"strconv"

	"stargate.io/stargate/api/v1alpha1"
)

// holdLimit is how many holds a status lists.
const holdLimit = 32

// holdBudget says what keeps the first server that could not be taken.
func (p *plan) holdBudget(v verdict, m *member) {
	hold := v1alpha1.Hold{Source: p.source(), Reason: v1alpha1.ReasonLimitReached}
	switch v {
	case overSpread:
		value := m.server.Labels[p.budget.spreadBy]
		hold.Rule = "spreadBy"
		hold.Observed, hold.Limit = strconv.Itoa(p.budget.spread[value]), strconv.Itoa(p.budget.perSpread)
		hold.Message = fmt.Sprintf("server %s waits: %s of %s servers with %s=%s may be unavailable and %s", m.server.Name,
			hold.Limit, hold.Limit, p.budget.spreadBy, orNone(value), p.who(func(o *member) bool { return o.server.Labels[p.budget.spreadBy] == value }))
	case overList:
		hold.Rule = "inFlight"
		hold.Observed, hold.Limit = strconv.Itoa(p.budget.inFlight), strconv.Itoa(listLimit)
		hold.Message = fmt.Sprintf("server %s waits: a rollout has at most %d servers in flight", m.server.Name, listLimit)
	case overUnavailable, fits:
		hold.Rule = "maxUnavailable"
		hold.Observed, hold.Limit = strconv.Itoa(p.budget.unavailable), strconv.Itoa(p.budget.limit)
		hold.Message = fmt.Sprintf("server %s waits: %s of %d servers may be unavailable and %s", m.server.Name,
			hold.Limit, len(p.members), p.who(func(*member) bool { return true }))
	}
	hold.ClearsWhen = "one of them is ready"
	p.holds = append(p.holds, hold)
}

// who is unavailable among some, for a message.
func (p *plan) who(among func(*member) bool) string {
	first, n := "", 0
	for i := range p.members {
		if m := &p.members[i]; m.down && among(m) {
			if n == 0 {
				first = m.server.Name
				if m.slot >= 0 {
					first += " (" + p.next.InFlight[m.slot].Operation + ")"
				}
			}
			n++
		}
	}
	switch n {
	case 0:
		return "one that left the group is"
	case 1:
		return first + " is"
	}
	return fmt.Sprintf("%s and %d more are", first, n-1)
}

// holdWaves says what keeps the wave that is under way, and with it all after it, from beginning or
// from being done.
func (p *plan) holdWaves() {
	for i := range p.waves {
		w := &p.waves[i]
		if w.status.State == v1alpha1.WaveDone {
			continue
		}
		if w.waiting > 0 {
			p.holds = append(p.holds, p.holdBlocked(w))
		}
		if hold := p.holdWave(w, p.workAfter(i)); hold != nil {
			p.holds = append(p.holds, *hold)
		}
		return
	}
}

// workAfter counts the servers of later waves that are still to be taken.
func (p *plan) workAfter(i int) int {
	n := 0
	for _, w := range p.waves[i+1:] {
		n += w.behind + w.waiting
	}
	return n
}

func (p *plan) holdWave(w *wave, after int) *v1alpha1.Hold {
	name := w.status.Name
	hold := &v1alpha1.Hold{Source: "Wave/" + name}
	switch {
	case w.status.State == v1alpha1.WaveAwaitingApproval:
		hold.Reason = v1alpha1.ReasonApprovalRequired
		hold.Message = fmt.Sprintf("wave %s of revision %s, %s, waits for somebody to approve it", name, p.revision().Name, count(w.behind+w.waiting, "server"))
		hold.ClearsWhen = fmt.Sprintf("somebody approves it: stargate approve group %s --wave %s --reason … (annotation %s=%s)",
			p.s.Group.Name, name, v1alpha1.AnnotationApprove, WaveToken(p.next, name))
	case after == 0:
		return nil
	case w.status.State == v1alpha1.WaveSoaking:
		hold.Reason, hold.Until = v1alpha1.ReasonSoaking, w.status.SoakedUntil
		hold.Message = fmt.Sprintf("wave %s is updated and ready; what comes after it, %s, waits until it has been so for %s", name, count(after, "server"), w.spec.Soak.Duration)
	case w.unhealthy > 0 && !w.work():
		hold.Reason = v1alpha1.ReasonWaveUnhealthy
		hold.Observed, hold.Limit = strconv.Itoa(w.unhealthy), "0"
		hold.Message = fmt.Sprintf("wave %s is updated, but server %s is not ready (%s); what comes after it, %s, waits", name, w.sick.Name, stateOf(w.sick), count(after, "server"))
		hold.ClearsWhen = fmt.Sprintf("server %s is ready, or in maintenance", w.sick.Name)
	default:
		return nil
	}
	return hold
}

// holdBlocked says what is in the way of servers that differ and are not the rollout's to take yet.
func (p *plan) holdBlocked(w *wave) v1alpha1.Hold {
	server := w.blocked
	hold := v1alpha1.Hold{Source: "Server/" + server.Name, Rule: w.status.Name, Reason: v1alpha1.ReasonServerBusy}
	hold.Message = fmt.Sprintf("server %s waits: an Operation that is not this rollout's is on it", server.Name)
	hold.ClearsWhen = "that Operation ends"
	if active := server.Status.ActiveOperation; active != nil {
		hold.Message = fmt.Sprintf("server %s waits: Operation %s has it", server.Name, active.Name)
		hold.ClearsWhen = "Operation/" + active.Name + " ends"
	} else if p.unfinished(server) {
		hold.Reason = v1alpha1.ReasonCommitIncomplete
		hold.Message = fmt.Sprintf("server %s waits: it is of a commit that is not in yet as a whole", server.Name)
		hold.ClearsWhen = "the whole commit is in"
	} else if p.relabelled(server) {
		hold.Reason = v1alpha1.ReasonEdited
		hold.Message = fmt.Sprintf("server %s waits: its labels are not those that Fleet %s gave it; they are put back within the fleet's interval. To keep them, commit them", server.Name, p.s.FleetName)
		hold.ClearsWhen = fmt.Sprintf("Fleet/%s puts back what the commit says, or a commit says this", p.s.FleetName)
	}
	hold.Observed = strconv.Itoa(w.waiting)
	return hold
}

// holdFailures says that too many failed.
func (p *plan) holdFailures() {
	r := p.revision()
	if !p.stopped() {
		if p.fullLeft() {
			p.holds = append(p.holds, v1alpha1.Hold{
				Source: p.source(), Rule: "left", Reason: v1alpha1.ReasonTooManyFailures,
				Message:  fmt.Sprintf("%d servers of ServerGroup %s failed, or their Operations were denied or cancelled: no more are tried", len(p.next.Left), p.s.Group.Name),
				Observed: strconv.Itoa(len(p.next.Left)), Limit: strconv.Itoa(listLimit),
				ClearsWhen: p.resumeHint(),
			})
		}
		return
	}
	open := r.Failures - r.Forgiven
	p.holds = append(p.holds, v1alpha1.Hold{
		Source: p.source(), Rule: "maxFailures", Reason: v1alpha1.ReasonTooManyFailures,
		Message:  fmt.Sprintf("the rollout of ServerGroup %s stopped: %s failed%s, %d may. Look at them, then resume it or commit another revision", p.s.Group.Name, count(int(open), "server"), p.firstFailed(), p.rollout().MaxFailures),
		Observed: strconv.Itoa(int(open)), Limit: strconv.Itoa(int(p.rollout().MaxFailures)),
		ClearsWhen: p.resumeHint(),
	})
}

// holdFailed says that nothing is left to be started, and that servers failed all the same.
func (p *plan) holdFailed() {
	if p.next.Failed == 0 {
		return
	}
	p.holds = append(p.holds, v1alpha1.Hold{
		Source: p.source(), Rule: "failed", Reason: v1alpha1.ReasonServerFailed,
		Message:    fmt.Sprintf("%s of ServerGroup %s failed%s, and the others have the revision", count(int(p.next.Failed), "server"), p.s.Group.Name, p.firstFailed()),
		Observed:   strconv.Itoa(int(p.next.Failed)),
		ClearsWhen: "somebody looks at them and lets them go, and they are tried again: stargate release server NAME --reason …; or a new revision comes",
	})
}

func (p *plan) resumeHint() string {
	return fmt.Sprintf("somebody resumes it: stargate rollout resume %s --reason … (annotation %s=%s), or a new revision comes",
		p.s.Group.Name, v1alpha1.AnnotationResume, ResumeToken(p.next))
}

// firstFailed names the first server that failed, and why.
func (p *plan) firstFailed() string {
	for i := range p.next.Left {
		if left := &p.next.Left[i]; left.Reason == v1alpha1.LeftFailed {
			return fmt.Sprintf(" (%s: %s)", left.Server, left.Message)
		}
	}
	return ""
}

// holdShared names the first server that another group selects too.
func (p *plan) holdShared() {
	if len(p.s.SharedWith) == 0 {
		return
	}
	n := 0
	var hold v1alpha1.Hold
	for i := range p.members {
		server := p.members[i].server
		other := p.s.SharedWith[server.Name]
		if other == "" {
			continue
		}
		if n++; n == 1 {
			hold = v1alpha1.Hold{
				Source: "Server/" + server.Name, Rule: "one-group", Reason: v1alpha1.ReasonGroupConflict,
				Message:    fmt.Sprintf("server %s is selected by ServerGroup %s as well as by %s: neither touches it", server.Name, other, p.s.Group.Name),
				ClearsWhen: "one of the two no longer selects it",
			}
		}
	}
	if n > 0 {
		hold.Observed = strconv.Itoa(n)
		p.holds = append(p.holds, hold)
	}
}

func stateOf(server *v1alpha1.Server) string {
	if server.Status.State == "" {
		return "untouched"
	}
	return string(server.Status.State)
}

// count of something, in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
