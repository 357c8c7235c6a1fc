package preflight

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"stargate.io/stargate/engine/admission"
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
	vouches := admission.VouchesOf(guards)
	for _, each := range []struct {
		kept         bool
		fact, effect string
	}{
		{vouches.Requester, "requester", "rules that ask for requester hold"},
		{vouches.Source, "source", "rules that ask for source hold"},
		{vouches.Approvals, "approvals", "rules that ask for operation.approvals hold"},
		{vouches.Overrides, "overrides", "no override counts"},
	} {
		if !each.kept {
			r.warn(each.fact, "not vouched for: "+each.effect, mend)
		}
	}
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
