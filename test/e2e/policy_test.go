package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// Policy of one rule about the room's Operations only: the control plane is shared.
func (r *Room) Policy(name, expression string, effect v1alpha1.Effect) *v1alpha1.Policy {
	return &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace + "-" + name},
		Spec: v1alpha1.PolicySpec{Match: v1alpha1.Match{Namespaces: []string{r.Namespace}},
			Rules: []v1alpha1.Rule{{Name: "rule", Expression: expression, Effect: effect}}}}
}

// withPolicy makes a policy, and sees to it that it goes with the test.
func (r *Room) withPolicy(policy *v1alpha1.Policy) {
	r.Helper()
	r.Create(policy)
	r.Cleanup(func() {
		if err := client.IgnoreNotFound(r.Client.Delete(context.Background(), policy)); err != nil {
			r.Errorf("deleting Policy %s: %v", policy.Name, err)
		}
	})
}

var (
	holdByPolicy = edit{"a policy that holds is made",
		func(r *Room) { r.withPolicy(r.Policy("frozen", "false", v1alpha1.EffectHold)) },
		heldFor("PolicyViolated", "must be true"), func(r *Room) { r.DeleteNow(r.Policy("frozen", "", "")) }}
	denyByPolicy = edit{"a policy that denies is made",
		func(r *Room) {
			r.withPolicy(r.Policy("never", `server.name != "server-001"`, v1alpha1.EffectDeny))
		},
		endsAs(v1alpha1.OperationDenied, "PolicyViolated"), nil}
	breakPolicy = edit{"a policy that does not compile is made",
		func(r *Room) { r.withPolicy(r.Policy("broken", "server.nam == 'x'", v1alpha1.EffectWarn)) },
		heldFor("PolicyInvalid", "does not compile", "nam"), func(r *Room) {
			policy := r.Policy("broken", "", "")
			r.Edit(policy, func() { policy.Spec.Rules[0].Expression = "server.name != ''" })
		}}
)

// TestPoliciesLookedAtTwice: a policy that is made between the gate and the deed is heard before the deed.
func TestPoliciesLookedAtTwice(t *testing.T) {
	t.Parallel()
	for _, at := range []*step{&claimStep, &intentStep, &confirmSite, &confirmStep} {
		for _, edit := range []edit{holdByPolicy, denyByPolicy, breakPolicy} {
			t.Run(edit.name+" before "+at.name, func(t *testing.T) {
				t.Parallel()
				lookedAtTwice(t, *at, edit)
			})
		}
	}
}

// TestBudgetOfARack: two of a rack are never unavailable at the same time, and who waits says for whom.
func TestBudgetOfARack(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{Duration: time.Second})
	r.withPolicy(r.Policy("per-rack", `fleet.unavailable({"namespace": server.namespace, "rack": server.labels.rack}) < 1`, v1alpha1.EffectHold))
	r.Start()
	var ops []*v1alpha1.Operation
	for n := range 6 {
		server := r.Server(n)
		server.Labels = map[string]string{"rack": fmt.Sprintf("r%d", n%2)}
		op := r.Repave(fmt.Sprintf("repave-%d", n), n)
		r.Create(server, op)
		ops = append(ops, op)
	}
	held := 0
	for _, op := range ops {
		r.Until(op, "held or done", func() bool {
			return op.Status.Phase.Terminal() || len(op.Status.Holds) > 0 || len(op.Status.Attempts) > 0
		})
		if len(op.Status.Holds) > 0 {
			held++
			if hold := op.Status.Holds[0]; hold.Source != "Policy/"+r.Namespace+"-per-rack" || hold.Observed != "1" || hold.Limit != "1" || hold.Reason != v1alpha1.ReasonLimitReached {
				t.Errorf("held by %+v", hold)
			}
		}
	}
	if held < 3 {
		t.Errorf("%d of 6 were held, with two racks that take one each", held)
	}
	for _, op := range ops {
		r.UntilPhase(op, v1alpha1.OperationSucceeded)
		if op.Status.DecidedOn.PolicyHash == "" {
			t.Errorf("%s does not say which policies let it pass", op.Name)
		}
	}
	r.neverMore(1, "rack")
}

// neverMore checks the site's own record: of each value of a label no more servers were at work at once.
func (r *Room) neverMore(limit int, label string) {
	r.Helper()
	values, jobs, running := map[string]string{}, map[string]string{}, map[string]int{}
	for _, event := range r.Site.Record() {
		switch event.Kind {
		case site.Accepted:
			server := event.ServerID
			if values[server] == "" {
				object := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: server}}
				r.Refresh(object)
				values[server] = object.Labels[label]
			}
			jobs[event.JobID] = values[server]
			if running[values[server]]++; running[values[server]] > limit {
				r.Errorf("%d servers of %s %s were at work at once, and %d may be", running[values[server]], label, values[server], limit)
			}
		case site.Ended:
			running[jobs[event.JobID]]--
		default: // tells of no work
		}
	}
	if len(jobs) == 0 {
		r.Error("the site was asked for nothing")
	}
}

// TestPolicyStatus: a policy says whether it is judged by, and, where it is not, which line is wrong.
func TestPolicyStatus(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	policy := r.Policy("status", "fleet.active({'rack': server.labels.rack}) < 3 &&\n  server.nam != ''", v1alpha1.EffectHold)
	r.withPolicy(policy)
	r.UntilCondition(policy, &policy.Status.Conditions, v1alpha1.ConditionStalled, v1alpha1.ReasonPolicyInvalid, "spec.rules[rule].expression", "line 2")
	if problem := policy.Status.Errors[0]; problem.Line != 2 || problem.Column == 0 {
		t.Errorf("the error is said to be at %+v", problem)
	}
	r.Edit(policy, func() { policy.Spec.Rules[0].Expression = "fleet.active({'rack': server.labels.rack}) < 3" })
	r.UntilCondition(policy, &policy.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonCompiled)
	if policy.Status.Hash == "" || len(policy.Status.Dimensions) != 1 || policy.Status.Dimensions[0] != "rack" || len(policy.Status.Errors) != 0 {
		t.Errorf("status %+v", policy.Status)
	}
}
