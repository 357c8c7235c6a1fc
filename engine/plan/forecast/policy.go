package forecast

import (
	"slices"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

// takeUpPolicies has the gate judge by the policies, and counts what they ask for. Without any, nothing
// is counted.
func (w *world) takeUpPolicies() {
	if len(w.in.Policies) == 0 {
		return
	}
	// What is only told is told to nobody here.
	w.gate.SetPolicies(slices.DeleteFunc(slices.Clone(w.in.Policies), ledger.Policy.DryRun))
	for _, server := range w.in.Servers {
		w.observe(w.machines[key{server.Namespace, server.Name}])
	}
}

// observe a machine as it is now, and ask again for those whom that lets go.
func (w *world) observe(m *machine) {
	if len(w.in.Policies) == 0 {
		return
	}
	group, site := "", ""
	if len(m.lanes) > 0 {
		group = m.lanes[0].group.Name
	}
	if _, dc := w.sites.of(&m.server); dc != nil {
		site = dc.Name
	}
	w.wakeUp(w.gate.Observe(ledger.MachineOf(&m.server, site, group, 0), w.now))
}

// countFailure of an Operation of the past, which policies may ask for.
func (w *world) countFailure(op *v1alpha1.Operation, m *machine) {
	if len(w.in.Policies) == 0 || m == nil || op.Status.Phase != v1alpha1.OperationFailed || op.Status.CompletionTime == nil {
		return
	}
	w.wakeUp(w.gate.ObserveFailed(w.askOf(&run{op: op, machine: m}), op.Status.CompletionTime.Time, w.now))
}

// judge gives an Operation's wish what policies judge it by.
func (w *world) judge(r *run, ask *ledger.Ask) {
	if len(w.in.Policies) == 0 {
		return
	}
	_, dc := w.sites.of(&r.machine.server)
	s := &ledger.Subject{Operation: r.op, Server: &r.machine.server, Datacenter: dc, ProfileHash: r.hash, Now: w.now,
		Expected: ExpectedOf(r.op), Requester: true, Source: true, Approvals: true}
	if ref := r.op.Spec.ProvisioningProfileRef; ref != nil {
		s.Profile = w.profiles[key{r.op.Namespace, ref.Name}]
	}
	switch {
	case r.lane != nil:
		s.Group = r.lane.group
	case len(r.machine.lanes) > 0:
		s.Group = r.machine.lanes[0].group
	}
	if r.lane == nil && w.in.Vouch != nil {
		w.in.Vouch(s)
	}
	ask.Facts = ledger.FactsOf(s)
	if r.lane != nil {
		// Who makes it is the controller itself, which nobody has to vouch for.
		ask.Facts.Requester.Username, ask.Facts.Requester.Stamped = controller, true
	}
	if s.Approvals {
		ask.Overrides = ledger.Lines(r.op.Annotations[v1alpha1.AnnotationOverride])
	}
}

// controller is who makes the Operations of rollouts, where it is installed as we do.
const controller = "system:serviceaccount:stargate-system:stargate"

// deny ends an Operation that has not begun.
func (w *world) deny(r *run, hold *v1alpha1.Hold) {
	denied := Denied{At: w.now, Namespace: r.op.Namespace, Group: r.op.Labels[v1alpha1.LabelGroup], Server: r.op.Spec.ServerRef.Name, Hold: *hold}
	if r.wave != nil {
		denied.Wave = r.wave.name
	}
	w.denied = append(w.denied, denied)
	r.op.Status.Phase = v1alpha1.OperationDenied
	for _, l := range r.lanes {
		l.withdrawn = append(l.withdrawn, r.op.Name)
		w.look(l)
	}
}

// askAgain at that time, though nothing changes until then; not at all where it is zero.
func (w *world) askAgain(r *run, at time.Time) {
	if at.IsZero() || at.Equal(r.again) {
		return
	}
	r.again = at
	w.asks.push(ending{at: at, run: r})
}

// askDue asks again for an Operation whose time has come, if it still waits for that.
func (w *world) askDue(r *run) {
	waiting := w.waiting[ledger.Key(r.op.Namespace+"/"+r.op.Name)]
	if waiting != r || r.again.After(w.now) {
		return
	}
	r.again = time.Time{}
	w.ask(r)
}

// estimate of how long an Operation takes.
func (w *world) estimate(r *run) Estimate {
	if r.op.Spec.Operation != v1alpha1.ActionRepave || r.op.Spec.ProvisioningProfileRef == nil {
		return AssumedOther
	}
	at, _ := w.sites.of(&r.machine.server)
	return w.in.Durations.Of(at, r.op.Spec.ProvisioningProfileRef.Name)
}
