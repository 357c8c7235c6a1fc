package preflight

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/admission"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/rules"
)

// guardsInForce tells of each guard whether the API server keeps it as this binary would install it.
// Without one less is guarded, but nothing stands still, but for rules that ask for what is not vouched
// for.
func guardsInForce(ctx context.Context, in *Inputs, r reporter) {
	guards, err := admission.Probe(ctx, in.Reader, in.Admission)
	switch {
	case apierrors.IsForbidden(err):
		r.skipped("admission policies", "you may not look at them", "ask somebody who may")
		return
	case err != nil:
		r.warn("admission policies", err.Error(), "try again")
		return
	}
	mend := in.Command + " install --apply --only admission"
	for i := range guards {
		guard := &guards[i]
		if guard.InForce() {
			r.ok(guard.Name, guard.Keeps)
			continue
		}
		r.warn(guard.Name, amiss(guard)+": nobody sees to it that "+guard.Keeps, mend)
	}
	reads := readsOfPolicies(ctx, in)
	vouches := admission.VouchesOf(guards)
	for _, each := range []struct {
		kept         bool
		fact, effect string
		who          []string
	}{
		{vouches.Requester, "requester", "rules that ask for requester hold", reads.requester},
		{vouches.Source, "source", "rules that ask for source hold", reads.source},
		{vouches.Approvals, "approvals", "nothing counts as approved", reads.approvals},
		{vouches.Overrides, "overrides", "no override counts", nil},
	} {
		if each.kept {
			continue
		}
		if len(each.who) > 0 {
			each.effect += ": " + strings.Join(each.who, ", ")
		}
		r.warn(each.fact, "not vouched for: "+each.effect, mend)
	}
}

// readings are the rules that ask for what admission vouches for, as policy/rule.
type readings struct{ requester, source, approvals []string }

// readsOfPolicies that are installed; what cannot be listed or does not compile is told elsewhere.
func readsOfPolicies(ctx context.Context, in *Inputs) readings {
	var all readings
	_ = eachPage(ctx, in, &v1alpha1.PolicyList{}, func(page client.ObjectList) {
		list, _ := page.(*v1alpha1.PolicyList)
		for i := range list.Items {
			source, err := tree.PolicySource(&list.Items[i])
			if err != nil {
				continue
			}
			policy, _ := rules.Compile(source)
			reads := policy.Reads()
			for _, each := range []struct {
				rules []string
				into  *[]string
			}{{reads.Requester, &all.requester}, {reads.Source, &all.source}, {reads.Approvals, &all.approvals}} {
				for _, rule := range each.rules {
					*each.into = append(*each.into, policy.Name()+"/"+rule)
				}
			}
		}
	})
	return all
}

// amiss says what a guard lacks.
func amiss(guard *admission.Guard) string {
	var parts []string
	if len(guard.Missing) > 0 {
		parts = append(parts, "missing: "+few(guard.Missing))
	}
	if len(guard.Differing) > 0 {
		parts = append(parts, fmt.Sprintf("of another release, or changed: %s", few(guard.Differing)))
	}
	return strings.Join(parts, "; ")
}
