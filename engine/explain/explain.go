package explain

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
)

// Explain an Operation by what the ledger counted of the World. One that does not exist yet is explained
// as if it were made now.
func (w *World) Explain(op *v1alpha1.Operation, l *ledger.Ledger) *Report {
	s := w.Subject(op)
	r := w.report(s)
	if op.Status.Phase.Terminal() || operation.HasPlace(&op.Status) && !waits(&op.Status) {
		r.past(op)
		return r
	}
	snapshot := w.snapshot(s)
	if reason, message := operation.Void(snapshot); reason != "" {
		r.Verdict, r.Message = Void, message
		return r
	}
	r.Gates = append(r.Gates, waves(s)...)
	r.standing(snapshot)
	if s.Server != nil {
		r.places(l.Tell(w.judged(s), w.Now), op, s)
	}
	r.Gates = append(r.Gates, hooks(snapshot)...)
	for i := range r.Gates {
		r.Gates[i].Command = r.command(&r.Gates[i])
	}
	r.settle(op, w.Now)
	return r
}

// waits tells whether an Operation that has a place is asked by the gates all the same: its hooks have
// begun, and nothing was sent.
func waits(status *v1alpha1.OperationStatus) bool {
	return len(status.Attempts) == 0
}

func (w *World) report(s Subject) *Report {
	op := s.Operation
	r := &Report{
		Exists: op.UID != "", Name: op.Name, Namespace: op.Namespace, Action: string(op.Spec.Operation), Server: op.Spec.ServerRef.Name,
		Group: op.Labels[v1alpha1.LabelGroup], Wave: op.Annotations[v1alpha1.AnnotationWave], Commit: op.Annotations[v1alpha1.AnnotationCommit],
		Requester: op.Annotations[v1alpha1.AnnotationRequester], At: metav1.NewTime(w.Now), Gates: []Gate{},
	}
	if s.Datacenter != nil {
		r.Datacenter = s.Datacenter.Name
	}
	if ref := op.Spec.ProvisioningProfileRef; ref != nil {
		r.Profile = ref.Name
	}
	return r
}

// past tells what became of an Operation that began, or has ended.
func (r *Report) past(op *v1alpha1.Operation) {
	status := &op.Status
	r.Verdict, r.Message, r.Attempts, r.Hooks = Verdict(status.Phase), status.Message, status.Attempts, status.Hooks
	if r.Verdict == "" {
		r.Verdict = Verdict(v1alpha1.OperationPending)
	}
	r.Since = status.StartTime
	if status.CompletionTime != nil {
		r.Since = status.CompletionTime
	}
	outcome := Holds
	if status.Phase == v1alpha1.OperationDenied {
		outcome = Denies
	}
	for i := range status.Holds {
		r.Gates = append(r.Gates, gateOf(&status.Holds[i], outcome))
	}
}

// snapshot of what decisions on the Operation know.
func (w *World) snapshot(s Subject) *operation.Snapshot {
	snapshot := &operation.Snapshot{Now: w.Now, Operation: s.Operation, Server: s.Server, Elected: true}
	if s.Server != nil {
		snapshot.Conflicts = w.conflicts(s.Server)
		_, snapshot.Site.Problem = w.site(s.Server)
	}
	if dc := s.Datacenter; dc != nil {
		snapshot.Site = operation.Site{Name: dc.Name, Paused: dc.Spec.Paused, Reason: dc.Spec.Reason, Deleting: dc.DeletionTimestamp != nil}
	}
	if ref := s.Operation.Spec.ProvisioningProfileRef; ref != nil {
		snapshot.Profile = w.profile(s, ref.Name)
	}
	if s.Operation.Labels[v1alpha1.LabelGroup] != "" {
		snapshot.Rollout = operation.RolloutOf(s.Operation, s.Server, s.Group, s.Fleet, false, w.Now)
	}
	snapshot.Hooks = w.hooks(s)
	return snapshot
}

// profile as far as it can be told without its Secrets.
func (w *World) profile(s Subject, name string) *operation.Profile {
	if s.Profile == nil {
		return &operation.Profile{Name: name, Problem: &v1alpha1.Hold{Source: "ProvisioningProfile/" + name, Reason: v1alpha1.ReasonProfileNotFound,
			Message:    fmt.Sprintf("spec.provisioningProfileRef.name: no ProvisioningProfile %s in namespace %s; create it, or make an Operation with the right name", name, s.Operation.Namespace),
			ClearsWhen: "the ProvisioningProfile is created"}}
	}
	profile := &operation.Profile{Name: name}
	if w.Hash != nil {
		profile.Hash, _ = w.Hash(s.Profile)
	}
	return profile
}

// waves of the rollout that made the Operation, up to its own: it was made once they had let it.
func waves(s Subject) []Gate {
	name := s.Operation.Annotations[v1alpha1.AnnotationWave]
	if s.Group == nil || name == "" {
		return nil
	}
	var gates []Gate
	for i := range s.Group.Status.Waves {
		wave := &s.Group.Status.Waves[i]
		if wave.Name == name {
			break
		}
		if wave.State != v1alpha1.WaveDone {
			continue
		}
		gate := Gate{Outcome: Passes, Source: "Wave/" + wave.Name, Message: fmt.Sprintf("%d/%d", wave.Updated, wave.Servers)}
		if wave.SoakedUntil != nil {
			gate.Message += ", soaked until " + wave.SoakedUntil.UTC().Format(time.RFC3339)
		}
		gates = append(gates, gate)
	}
	return gates
}

// standing adds what the objects themselves say. What passes is told once for each of server, rollout
// and datacenter.
func (r *Report) standing(snapshot *operation.Snapshot) {
	passed := map[string]string{"server": "Server/" + r.Server, "datacenter": "Datacenter/" + r.Datacenter, "profile": "ProvisioningProfile/" + r.Profile,
		"rollout": "ServerGroup/" + r.Group}
	all := operation.Standings(snapshot)
	for i, gate := range all {
		if gate.Hold != nil {
			r.Gates = append(r.Gates, gateOf(gate.Hold, Holds))
			continue
		}
		source := passed[gate.About]
		held := slices.ContainsFunc(all, func(other operation.Standing) bool { return other.About == gate.About && other.Hold != nil })
		again := slices.ContainsFunc(all[i+1:], func(other operation.Standing) bool { return other.About == gate.About })
		if source == "" || source[len(source)-1] == '/' || held || again {
			continue
		}
		r.Gates = append(r.Gates, Gate{Outcome: Passes, Source: source, Message: fine[gate.About]})
	}
}

// fine says what is well with something that passes.
var fine = map[string]string{
	"server": "not paused, in maintenance or quarantined, and nobody else has its identity", "datacenter": "not paused",
	"profile": "it is there", "rollout": "neither paused nor suspended",
}

// places adds what the ledger and the policies say.
func (r *Report) places(told ledger.Told, op *v1alpha1.Operation, s Subject) {
	switch active := s.Server.Status.ActiveOperation; {
	case told.Busy != nil:
		r.Gates = append(r.Gates, gateOf(told.Busy, Holds))
	case active != nil && active.UID != string(op.UID):
		r.Gates = append(r.Gates, Gate{Outcome: Holds, Source: "Server/" + r.Server, Rule: "one-operation-per-server", Reason: v1alpha1.ReasonServerBusy,
			Message:  fmt.Sprintf("Operation %s has the claim on server %s", active.Name, r.Server),
			Observed: "1", Limit: "1", ClearsWhen: "Operation/" + active.Name + " ends"})
	default:
		r.Gates = append(r.Gates, Gate{Outcome: Passes, Source: "Server/" + r.Server, Rule: "one-operation-per-server", Message: "no other Operation is at work on it"})
	}
	for i := range told.Policies {
		r.policy(&told.Policies[i])
	}
	switch {
	case told.Full != nil:
		r.Gates = append(r.Gates, gateOf(told.Full, Holds))
	case told.Limit > 0:
		r.Gates = append(r.Gates, Gate{Outcome: Passes, Source: "Datacenter/" + r.Datacenter, Rule: "concurrent-operations",
			Message:  fmt.Sprintf("%d of %d Operations that it allows at once are under way", told.Active, told.Limit),
			Observed: strconv.Itoa(told.Active), Limit: strconv.Itoa(told.Limit)})
	}
}

// settle on the verdict, and on when it clears at the earliest: not before the latest of what clocks
// decide, however soon the rest does.
func (r *Report) settle(op *v1alpha1.Operation, now time.Time) {
	holds := r.With(Holds)
	switch {
	case len(r.With(Denies)) > 0:
		r.Verdict = Denied
		return
	case len(holds) == 0:
		r.Verdict = Free
		return
	}
	r.Verdict = Held
	for _, gate := range holds {
		if gate.Until != nil && (r.Clears == nil || r.Clears.Before(gate.Until)) {
			r.Clears = gate.Until
		}
	}
	for i := range op.Status.Holds {
		since := op.Status.Holds[i].Since
		if !since.IsZero() && !since.After(now) && (r.Since == nil || since.Before(r.Since)) {
			r.Since = &since
		}
	}
}
