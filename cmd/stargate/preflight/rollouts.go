package preflight

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// fleetsFollowed tells what the controller found in each repository.
func fleetsFollowed(ctx context.Context, in *Inputs, r reporter) {
	found := 0
	err := eachPage(ctx, in, &v1alpha1.FleetList{}, func(page client.ObjectList) {
		list, _ := page.(*v1alpha1.FleetList)
		for i := range list.Items {
			found++
			checkFleet(in, r, &list.Items[i])
		}
	})
	switch {
	case apierrors.IsForbidden(err):
		r.skipped("list", "you may not list Fleets", "trust who may")
	case err != nil:
		r.fail("list", err.Error(), "mend what failed above")
	case found == 0:
		r.ok("list", "there is no Fleet: objects are applied by hand")
	}
}

func checkFleet(in *Inputs, r reporter, fleet *v1alpha1.Fleet) {
	name, status := fleet.Name, &fleet.Status
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	look := in.Command + " fleet status " + name
	switch {
	case fleet.Spec.Suspend:
		r.warn(name, "suspended: "+fleet.Spec.Reason, in.Command+" fleet resume "+name+" --reason …")
	case ready == nil || status.ObservedGeneration != fleet.Generation:
		r.warn(name, "not looked at yet", "see the group controller")
	case status.Pending != nil && fleet.Annotations[v1alpha1.AnnotationApprove] != status.Pending.Commit:
		r.warn(name, fmt.Sprintf("commit %.7s waits for an approval: %s", status.Pending.Commit, status.Pending.Message),
			in.Command+" approve fleet "+name+" --reason …")
	case len(status.Errors) > 0:
		first := status.Errors[0]
		r.fail(name, fmt.Sprintf("the commit is refused, and the last good one stays applied: %s:%d: %s", first.Path, first.Line, first.Message), look)
	case meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled), status.Failures > 0:
		r.fail(name, ready.Reason+": "+ready.Message, look)
	default:
		r.ok(name, ready.Message)
	}
}

// rolloutsGoOn finds groups that nothing but a person moves on.
func rolloutsGoOn(ctx context.Context, in *Inputs, r reporter) {
	groups, stalled := 0, 0
	err := eachPage(ctx, in, &v1alpha1.ServerGroupList{}, func(page client.ObjectList) {
		list, _ := page.(*v1alpha1.ServerGroupList)
		for i := range list.Items {
			groups++
			group := &list.Items[i]
			condition := meta.FindStatusCondition(group.Status.Conditions, v1alpha1.ConditionStalled)
			if condition == nil || condition.Status != metav1.ConditionTrue {
				continue
			}
			stalled++
			r.warn(group.Namespace+"/"+group.Name, condition.Reason+": "+condition.Message,
				fmt.Sprintf("%s rollout status %s -n %s", in.Command, group.Name, group.Namespace))
		}
	})
	switch {
	case err != nil:
		r.fail("list", err.Error(), "mend what failed above")
	case stalled == 0:
		r.ok("list", fmt.Sprintf("none of %d ServerGroups has stopped", groups))
	}
}
