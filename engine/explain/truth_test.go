package explain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/rules"
)

// noon of a Monday.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// corpus of rules, of which a world has some.
var corpus = []rules.Rule{
	{Name: "one-per-rack", Expression: `fleet.unavailable({"rack": server.labels.rack}) < 1`, Effect: rules.Hold},
	{Name: "two-per-site", Expression: `fleet.unavailable({"datacenter": datacenter.name}) < 2`, Effect: rules.Hold},
	{Name: "two-at-once", Expression: `fleet.active({}) < 2`, Effect: rules.Hold},
	{Name: "half-are-up", Expression: `fleet.unavailable({}) * 2 < fleet.total({})`, Effect: rules.Hold},
	{Name: "at-night", Expression: `now.inWindow("Mon-Fri 22:00-06:00; Sat-Sun 00:00-06:00", "Europe/Oslo")`, Effect: rules.Hold},
	{Name: "no-freeze", Expression: `!now.inFreeze("2026-03-01", "2026-03-04", "UTC")`, Effect: rules.Hold},
	{Name: "cool-down", Expression: `now.past(server.lastRepaved + duration("1h"))`, Effect: rules.Hold},
	{Name: "two-people", Expression: `size(operation.approvals) >= 2`, Effect: rules.Hold},
	{Name: "line", Expression: `fleet.failed(duration("1h"), {"operation": "repave"}) < 1`, Effect: rules.Hold},
	{Name: "night-or-approved", Expression: `size(operation.approvals) >= 1 || now.inWindow("Mon-Sun 23:00-01:00", "UTC")`, Effect: rules.Hold},
	{Name: "no-gpu", Expression: `server.labels.role != "gpu"`, Effect: rules.Deny},
	{Name: "told", Expression: `server.labels.role == "none"`, Effect: rules.Warn},
	{Name: "unlabelled", Expression: `server.labels.cage == "c1"`, Effect: rules.Hold},
}

// judges are compiled once.
var judges = func() []ledger.Policy {
	var all []ledger.Policy
	for _, rule := range corpus {
		policy, problems := rules.Compile(rules.Source{Name: rule.Name, Rules: []rules.Rule{rule}})
		if len(problems) > 0 {
			panic(fmt.Sprint(rule.Name, problems))
		}
		all = append(all, policy)
	}
	return all
}()

// anyWorld has a few servers of two racks, some of them down, busy, paused or worse, and an Operation
// that is to start on the first.
func anyWorld(t *rapid.T) (*World, *v1alpha1.Operation) {
	w := &World{
		Now:     noon.Add(time.Duration(rapid.IntRange(0, 7*24*60).Draw(t, "minutes")) * time.Minute),
		Vouches: func(time.Time) Vouches { return Vouches{true, true, true, true} },
	}
	dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "west"}}
	dc.Spec.Paused = rapid.IntRange(0, 5).Draw(t, "site") == 0
	dc.Spec.Limits.ConcurrentOperations = rapid.Int32Range(0, 3).Draw(t, "limit")
	w.Datacenters = []*v1alpha1.Datacenter{dc}
	for i := range rapid.IntRange(1, 6).Draw(t, "servers") {
		w.Servers = append(w.Servers, anyServer(t, w, i))
	}
	for _, policy := range judges {
		if rapid.IntRange(0, 6).Draw(t, policy.Name()) == 0 {
			w.Policies = append(w.Policies, policy)
		}
	}
	slices.SortFunc(w.Policies, func(a, b ledger.Policy) int { return strings.Compare(a.Name(), b.Name()) })
	op := operationOn(w.Servers[0], "judged", w.Now)
	op.Annotations = map[string]string{v1alpha1.AnnotationRequester: "ada"}
	for n := range rapid.IntRange(0, 2).Draw(t, "approvals") {
		op.Annotations[v1alpha1.AnnotationApprovedBy] += fmt.Sprintf("user-%d\n", n)
	}
	return w, op
}

func anyServer(t *rapid.T, w *World, i int) *v1alpha1.Server {
	name := fmt.Sprintf("server-%d", i)
	server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, UID: types.UID(name), Labels: map[string]string{
		"rack": fmt.Sprintf("r%d", i%2), "role": rapid.SampledFrom([]string{"web", "web", "gpu"}).Draw(t, "role")}}}
	server.Spec.MAC = fmt.Sprintf("aa:bb:cc:00:00:%02x", i)
	server.Status.State = v1alpha1.ServerReady
	at := metav1.NewTime(w.Now.Add(-time.Duration(rapid.IntRange(0, 180).Draw(t, "repaved")) * time.Minute))
	server.Status.Applied = &v1alpha1.Applied{Profile: "web", Operation: "earlier", At: at}
	switch rapid.IntRange(0, 9).Draw(t, "state") {
	case 0:
		server.Status.State = v1alpha1.ServerError
		server.Status.Quarantine = &v1alpha1.Quarantine{Operation: "x", Reason: "JobFailed"}
	case 1:
		server.Spec.Paused = true
	case 2:
		server.Spec.Maintenance = true
	case 3, 4:
		op := operationOn(server, "busy-"+name, w.Now.Add(-time.Hour))
		op.Status = v1alpha1.OperationStatus{Phase: v1alpha1.OperationRunning, DecidedOn: &v1alpha1.DecidedOn{Datacenter: "west"},
			Attempts: []v1alpha1.Attempt{{Number: 1, StartedAt: metav1.NewMicroTime(w.Now), JobID: "j"}}}
		server.Status.ActiveOperation = &v1alpha1.ActiveOperation{Name: op.Name, UID: string(op.UID)}
		w.Operations = append(w.Operations, op)
	case 5:
		op := operationOn(server, "failed-"+name, w.Now.Add(-3*time.Hour))
		ended := metav1.NewTime(w.Now.Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "ended")) * time.Minute))
		op.Status = v1alpha1.OperationStatus{Phase: v1alpha1.OperationFailed, CompletionTime: &ended}
		w.Operations = append(w.Operations, op)
	}
	return server
}

func operationOn(server *v1alpha1.Server, name string, made time.Time) *v1alpha1.Operation {
	op := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(made)}}
	op.Spec.Operation, op.Spec.ServerRef = v1alpha1.ActionRepave, v1alpha1.ServerReference{Name: server.Name, UID: string(server.UID)}
	return op
}

// copied worlds can be changed.
func copied(w *World) *World {
	next := *w
	next.Servers, next.Operations, next.Datacenters = nil, nil, nil
	for _, o := range w.Servers {
		next.Servers = append(next.Servers, o.DeepCopy())
	}
	for _, o := range w.Operations {
		next.Operations = append(next.Operations, o.DeepCopy())
	}
	for _, o := range w.Datacenters {
		next.Datacenters = append(next.Datacenters, o.DeepCopy())
	}
	return &next
}

// TestExplainIsTrue: what is said to hold is what the gate holds; what is said to release it does, when
// that very change is made; and a smaller one does not.
func TestExplainIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, op := anyWorld(t)
		report := w.Explain(op, w.Ledger())
		if admitted, why := enforced(w, op); admitted != (report.Verdict == Free) {
			t.Fatalf("explained as %s, and the gate says %t: %s\n%s", report.Verdict, admitted, why, told(report))
		}
		for _, hold := range gated(w, op) {
			if !slices.ContainsFunc(report.With(Holds, Denies), func(g Gate) bool { return g.Source == hold.Source && g.Rule == hold.Rule }) {
				t.Fatalf("the gate names %s/%s, and the explanation does not:\n%s", hold.Source, hold.Rule, told(report))
			}
		}
		for _, gate := range report.With(Holds) {
			released(t, w, op, gate)
		}
		overridden(t, w, op, report)
	})
}

// enforced tells whether the Operation would start, by the decision and the ledger themselves.
func enforced(w *World, op *v1alpha1.Operation) (bool, string) {
	s := w.Subject(op)
	for _, gate := range operation.Standings(w.snapshot(s)) {
		if gate.Hold != nil {
			return false, gate.Hold.Message
		}
	}
	if active := s.Server.Status.ActiveOperation; active != nil {
		return false, "it is claimed"
	}
	verdict := w.Ledger().Request(w.judged(s), w.Now)
	return verdict.Admitted, fmt.Sprint(verdict.Holds)
}

// gated is all that the ledger's own verdict names.
func gated(w *World, op *v1alpha1.Operation) []v1alpha1.Hold {
	return w.Ledger().Request(w.judged(w.Subject(op)), w.Now).Holds
}

// holds tells whether a gate still holds, in another world.
func holds(w *World, op *v1alpha1.Operation, gate Gate) bool {
	return slices.ContainsFunc(w.Explain(op, w.Ledger()).With(Holds), func(g Gate) bool {
		return g.Source == gate.Source && g.Rule == gate.Rule && (g.Reason == gate.Reason || strings.HasPrefix(g.Source, "Policy/"))
	})
}

// released makes the change that a gate names, and a smaller one.
func released(t *rapid.T, w *World, op *v1alpha1.Operation, gate Gate) {
	must := func(what string, next *World, op *v1alpha1.Operation, held bool) {
		if holds(next, op, gate) != held {
			t.Fatalf("%s/%s: %s, and it holds: %t\n%+v", gate.Source, gate.Rule, what, !held, gate)
		}
	}
	next := copied(w)
	server := next.Servers[0]
	switch gate.Reason {
	case v1alpha1.ReasonServerPaused:
		server.Spec.Paused = false
	case v1alpha1.ReasonServerMaintenance:
		server.Spec.Maintenance = false
	case v1alpha1.ReasonServerQuarantined:
		server.Status.Quarantine = nil
	case v1alpha1.ReasonDatacenterPaused:
		next.Datacenters[0].Spec.Paused = false
	case v1alpha1.ReasonServerBusy:
		end(next, server.Status.ActiveOperation.Name)
	default:
		if strings.HasPrefix(gate.Source, "Datacenter/") {
			for gate.Observed != "" && holds(next, op, gate) && endAny(next) {
				continue
			}
		} else {
			rule(t, w, op, gate, must)
			return
		}
	}
	must("nothing was changed", copied(w), op, true)
	must("the change that it names was made", next, op, false)
}

// rule makes each single change that a rule says would release it.
func rule(t *rapid.T, w *World, op *v1alpha1.Operation, gate Gate, must func(string, *World, *v1alpha1.Operation, bool)) {
	told := w.Ledger().Tell(w.judged(w.Subject(op)), w.Now)
	at := slices.IndexFunc(told.Policies, func(p ledger.PolicyTold) bool { return "Policy/"+p.Policy == gate.Source })
	finding := told.Policies[at].Violated[0].Finding
	for i := range finding.Releases {
		release := &finding.Releases[i]
		switch {
		case !release.At.IsZero():
			later, sooner := copied(w), copied(w)
			later.Now, sooner.Now = release.At, release.At.Add(-time.Second)
			must("it is "+release.At.String(), later, op, false)
			must("it is a second before "+release.At.String(), sooner, op, true)
			if gate.Until == nil || gate.Until.After(release.At) {
				t.Fatalf("%s: until %v, though the clock releases it at %s", gate.Source, gate.Until, release.At)
			}
		case release.Approvals > 0:
			must(release.Text, copied(w), approved(op, release.Approvals), false)
			must("an approval less than: "+release.Text, copied(w), approved(op, release.Approvals-1), true)
		case release.Question != nil && release.Question.Kind != rules.Failed:
			count(w, op, release, must)
		}
	}
}

// count brings a count to where it releases, one step after the other: no step before the last does.
func count(w *World, op *v1alpha1.Operation, release *rules.Release, must func(string, *World, *v1alpha1.Operation, bool)) {
	next := copied(w)
	for {
		now := countOf(next, op, *release.Question)
		if now <= release.Count {
			break
		}
		must(fmt.Sprintf("%s is %d and not yet %d", release.Question, now, release.Count), next, op, true)
		if !oneLess(next, op, *release.Question) {
			return // what a rule says of more servers than there can be is not tried
		}
	}
	if countOf(next, op, *release.Question) == release.Count {
		must(release.Text, next, op, false)
	}
}

func countOf(w *World, op *v1alpha1.Operation, q rules.Question) int64 {
	for _, policy := range w.Ledger().Tell(w.judged(w.Subject(op)), w.Now).Policies {
		for _, asked := range policy.Asked {
			if asked.Question == q {
				return asked.Answer.Count
			}
		}
	}
	return 0
}

// oneLess makes a server ready, or ends an Operation, other than what is judged.
func oneLess(w *World, op *v1alpha1.Operation, q rules.Question) bool {
	before := countOf(w, op, q)
	for _, server := range w.Servers[1:] {
		if active := server.Status.ActiveOperation; active != nil {
			end(w, active.Name)
		} else {
			server.Status.State, server.Status.Quarantine, server.Spec.Maintenance = v1alpha1.ServerReady, nil, false
		}
		if countOf(w, op, q) < before {
			return true
		}
	}
	return false
}

func endAny(w *World) bool {
	for _, op := range w.Operations {
		if op.Status.Phase == v1alpha1.OperationRunning {
			end(w, op.Name)
			return true
		}
	}
	return false
}

// end an Operation well.
func end(w *World, name string) {
	for _, op := range w.Operations {
		if op.Name == name {
			op.Status.Phase = v1alpha1.OperationSucceeded
		}
	}
	for _, server := range w.Servers {
		if active := server.Status.ActiveOperation; active != nil && active.Name == name {
			server.Status.ActiveOperation = nil
		}
	}
}

func approved(op *v1alpha1.Operation, more int) *v1alpha1.Operation {
	next := op.DeepCopy()
	for n := range more {
		next.Annotations[v1alpha1.AnnotationApprovedBy] += fmt.Sprintf("another-%d\n", n)
	}
	return next
}

// overridden rules let it pass, each by its own name alone.
func overridden(t *rapid.T, w *World, op *v1alpha1.Operation, report *Report) {
	for _, gate := range report.With(Holds, Denies) {
		policy, ok := strings.CutPrefix(gate.Source, "Policy/")
		if !ok {
			continue
		}
		next := op.DeepCopy()
		next.Annotations[v1alpha1.AnnotationOverride] = policy + "/" + gate.Rule
		after := w.Explain(next, w.Ledger())
		for _, g := range report.With(Holds, Denies) {
			stays := slices.ContainsFunc(after.With(Holds, Denies), func(other Gate) bool { return other.Source == g.Source && other.Rule == g.Rule })
			if own := g.Source == gate.Source && g.Rule == gate.Rule; stays == own {
				t.Fatalf("%s/%s is overridden, and %s/%s holds: %t", gate.Source, gate.Rule, g.Source, g.Rule, stays)
			}
		}
	}
}

func told(r *Report) string {
	text := ""
	for _, gate := range r.Gates {
		text += fmt.Sprintf("%s %s %s %s\n", gate.Outcome, gate.Source, gate.Rule, gate.Message)
	}
	return text
}
