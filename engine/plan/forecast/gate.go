package forecast

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

// carryOn takes up the Operations that live already.
func (w *world) carryOn() {
	live := slices.Clone(w.in.Operations)
	slices.SortFunc(live, func(a, b *v1alpha1.Operation) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	var pending []*run
	for _, op := range live {
		m := w.machines[key{op.Namespace, op.Spec.ServerRef.Name}]
		w.countFailure(op, m)
		if m == nil || op.Status.Phase.Terminal() {
			continue
		}
		own := *op
		r := &run{op: &own, machine: m, made: w.now}
		r.hash, r.version = w.contentOf(op)
		r.lanes = w.lanesOf(r)
		for _, l := range r.lanes {
			l.snapshot.Operations[op.Name] = &own
		}
		if len(op.Status.Attempts) == 0 {
			pending = append(pending, r)
			continue
		}
		w.wakeUp(w.gate.Occupy(w.askOf(r), w.now))
		w.begin(r, w.now.Sub(op.Status.Attempts[0].StartedAt.Time))
	}
	for _, r := range pending {
		w.ask(r)
	}
}

// lanesOf gives the groups that must know of an Operation: those of its server, and the one that made it.
func (w *world) lanesOf(r *run) []*lane {
	lanes := slices.Clone(r.machine.lanes)
	for _, l := range w.lanes {
		if l.group.Namespace == r.op.Namespace && l.group.Name == r.op.Labels[v1alpha1.LabelGroup] && !slices.Contains(lanes, l) {
			lanes = append(lanes, l)
		}
	}
	return lanes
}

// contentOf what a live Operation puts on its machine.
func (w *world) contentOf(op *v1alpha1.Operation) (hash, version string) {
	if decided := op.Status.DecidedOn; decided != nil && decided.ProfileHash != "" {
		return decided.ProfileHash, decided.OSVersion
	}
	if op.Spec.ProvisioningProfileRef == nil {
		return "", ""
	}
	for _, profile := range w.in.Profiles {
		if profile.Namespace == op.Namespace && profile.Name == op.Spec.ProvisioningProfileRef.Name {
			hash, _ = w.in.Hash(profile)
			return hash, profile.Spec.OSVersion
		}
	}
	return "", ""
}

// askOf is an Operation's wish to start.
func (w *world) askOf(r *run) ledger.Ask {
	at, dc := w.sites.of(&r.machine.server)
	ask := ledger.Ask{
		UID: string(r.op.UID), Key: ledger.Key(r.op.Namespace + "/" + r.op.Name), Server: ledger.Key(r.op.Namespace + "/" + r.op.Spec.ServerRef.Name),
		Site: ledger.Key(at.Namespace + "/" + at.Name), Priority: r.op.Spec.Priority, Created: r.op.CreationTimestamp.Time,
		Action: string(r.op.Spec.Operation), Disrupts: ledger.Disrupts(r.op.Spec.Operation),
	}
	if dc != nil {
		ask.Limit = int(dc.Spec.Limits.ConcurrentOperations)
	}
	return ask
}

// ask the gate to let an Operation start.
func (w *world) ask(r *run) {
	if hold := w.holdOf(r); hold != nil {
		r.held(hold)
		return
	}
	ask := w.askOf(r)
	w.judge(r, &ask)
	w.waiting[ask.Key] = r
	verdict := w.gate.Request(ask, w.now)
	switch {
	case verdict.Admitted:
		delete(w.waiting, ask.Key)
		w.begin(r, 0)
	case verdict.Denied:
		delete(w.waiting, ask.Key)
		w.deny(r, &verdict.Holds[0])
	default:
		for i := range verdict.Holds {
			if verdict.Holds[i].Reason != v1alpha1.ReasonServerBusy {
				r.held(&verdict.Holds[i])
			}
		}
		w.askAgain(r, verdict.Until)
	}
	w.wakeUp(verdict.Wake)
}

// held tells the wave of an Operation what it waits for.
func (r *run) held(hold *v1alpha1.Hold) {
	if r.wave != nil {
		r.wave.held(hold)
	}
}

// holdOf gives what keeps an Operation from starting for as long as nobody does something; nil for
// nothing.
func (w *world) holdOf(r *run) *v1alpha1.Hold {
	server := &r.machine.server
	hold := &v1alpha1.Hold{Source: "Server/" + server.Name}
	switch _, dc := w.sites.of(server); {
	case dc != nil && dc.Spec.Paused:
		hold.Source, hold.Reason = "Datacenter/"+dc.Name, v1alpha1.ReasonDatacenterPaused
		hold.Message, hold.ClearsWhen = "Datacenter "+dc.Name+" is paused"+because(dc.Spec.Reason), "somebody resumes it: stargate resume datacenter "+dc.Name
	case server.Status.Quarantine != nil:
		hold.Reason, hold.Message = v1alpha1.ReasonServerQuarantined, "server "+server.Name+" is quarantined"
	case server.Spec.Paused:
		hold.Reason, hold.Message = v1alpha1.ReasonServerPaused, "server "+server.Name+" is paused"+because(server.Spec.Reason)
	case server.Spec.Maintenance:
		hold.Reason, hold.Message = v1alpha1.ReasonServerMaintenance, "server "+server.Name+" is in maintenance"+because(server.Spec.Reason)
	default:
		return nil
	}
	return hold
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// wakeUp asks again for those who have a place now, or wait for something else.
func (w *world) wakeUp(keys []ledger.Key) {
	for _, key := range keys {
		if r := w.waiting[key]; r != nil {
			w.ask(r)
		}
	}
}

// oneAttempt is what an Operation that runs shows.
var oneAttempt = []v1alpha1.Attempt{{Number: 1}}

// begin an Operation that has run for so long already.
func (w *world) begin(r *run, since time.Duration) {
	estimate := w.estimate(r)
	r.lasts = estimate.Likely
	if w.late {
		r.lasts = estimate.Late
	}
	r.op.Status.Phase, r.op.Status.Attempts = v1alpha1.OperationRunning, oneAttempt
	status := &r.machine.server.Status
	status.ActiveOperation = &v1alpha1.ActiveOperation{Name: r.op.Name, UID: string(r.op.UID)}
	if ledger.Disrupts(r.op.Spec.Operation) {
		status.State = v1alpha1.ServerProvisioning
		w.turn(r.machine)
		w.observe(r.machine)
	}
	w.ends.push(ending{at: w.now.Add(max(0, r.lasts-since)), run: r})
	if r.lane == nil {
		return
	}
	w.starts = append(w.starts, Start{Made: r.made, At: w.now, Namespace: r.op.Namespace, Group: r.lane.group.Name, Wave: r.wave.name,
		Server: r.op.Spec.ServerRef.Name, Name: r.op.Name})
	r.wave.begin(w.now, r.op.Spec.ServerRef.Name, estimate)
}

func (w *wave) begin(now time.Time, server string, estimate Estimate) {
	if len(w.servers) == 0 {
		w.start, w.estimate = now, estimate
	}
	w.servers = append(w.servers, server)
	w.running++
	w.peak = max(w.peak, w.running)
}

// end an Operation well, and start who had waited for its place.
func (w *world) end(r *run) {
	now := metav1.NewTime(w.now)
	r.op.Status.Phase = v1alpha1.OperationSucceeded
	status := &r.machine.server.Status
	status.ActiveOperation = nil
	status.LastOperation = &v1alpha1.LastOperation{Name: r.op.Name, UID: string(r.op.UID), Phase: v1alpha1.OperationSucceeded, Reason: v1alpha1.ReasonSucceeded, At: now}
	switch r.op.Spec.Operation {
	case v1alpha1.ActionRepave:
		status.State, status.CurrentOS, status.Conditions = v1alpha1.ServerReady, r.version, nil
		status.Applied = &v1alpha1.Applied{Profile: r.op.Spec.ProvisioningProfileRef.Name, Hash: r.hash, OSVersion: r.version, Operation: r.op.Name, At: now}
	case v1alpha1.ActionReboot:
		status.State = v1alpha1.ServerReady
	case v1alpha1.ActionPowerOff:
		status.State = v1alpha1.ServerOff
	case v1alpha1.ActionPowerOn, v1alpha1.ActionInspect:
	}
	w.turn(r.machine)
	w.observe(r.machine)
	w.ended++
	if r.wave != nil {
		r.wave.running--
		r.wave.done = w.now
	}
	for _, l := range r.lanes {
		delete(l.snapshot.Operations, r.op.Name)
		w.look(l)
	}
	w.wakeUp(w.gate.Release(string(r.op.UID), w.now))
}

// cancel an Operation that has not started.
func (w *world) cancel(l *lane, name string) {
	op := l.snapshot.Operations[name]
	if op == nil || len(op.Status.Attempts) > 0 {
		return
	}
	op.Status.Phase = v1alpha1.OperationCancelled
	l.withdrawn = append(l.withdrawn, name)
	delete(w.waiting, ledger.Key(op.Namespace+"/"+op.Name))
	w.wakeUp(w.gate.Release(string(op.UID), w.now))
}
