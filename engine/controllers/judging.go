package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/plan/forecast"
	"stargate.io/stargate/policies/rules"
)

// askGate asks the gate for a place; the answer goes into the snapshot.
func (r *Operations) askGate(ctx context.Context, p *pass) error {
	wish, err := r.wish(ctx, p)
	if err != nil {
		return err
	}
	verdict := r.gate.Admit(p.Operation, wish)
	p.Verdict = &verdict
	return nil
}

// confirmPolicies asks the policies once more, in the moment before the deed: those that the API server
// has now, about how things are now.
func (r *Operations) confirmPolicies(ctx context.Context, p *pass) error {
	current, err := r.policies.current(ctx)
	if err != nil {
		return err
	}
	if !current {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("policies").GroupResource(), "", errors.New("they were edited, and the cache does not show it yet"))
	}
	if !r.policies.any() {
		return nil
	}
	wish, err := r.wish(ctx, p)
	if err != nil {
		return err
	}
	if verdict := r.gate.Admit(p.Operation, wish); !verdict.Admitted {
		p.Confirmed.Hold = &verdict.Holds[0]
	}
	return nil
}

// wish gathers what an Operation is judged by.
func (r *Operations) wish(ctx context.Context, p *pass) (Wish, error) {
	wish := Wish{Site: p.Site.Name, Limit: p.limit, Now: p.Now}
	if !r.policies.any() {
		return wish, nil
	}
	if r.vouches().Of(p.Operation.CreationTimestamp.Time).Overrides {
		wish.Overrides = ledger.Lines(p.Operation.Annotations[v1alpha1.AnnotationOverride])
	}
	var err error
	wish.Facts, err = r.facts(ctx, p)
	return wish, err
}

// facts about an Operation, as rules and scripts see them.
func (r *Operations) facts(ctx context.Context, p *pass) (*rules.Facts, error) {
	vouches := r.vouches().Of(p.Operation.CreationTimestamp.Time)
	subject := &ledger.Subject{Operation: p.Operation, Server: p.Server, Expected: expectedOf(p.Operation), Now: p.Now,
		Requester: vouches.Requester, Source: vouches.Source, Approvals: vouches.Approvals}
	if p.Profile != nil {
		subject.ProfileHash = p.Profile.Hash
		subject.Profile = &v1alpha1.ProvisioningProfile{}
		if err := r.cached(ctx, p, p.Profile.Name, subject.Profile); err != nil {
			return nil, err
		}
	}
	if name := r.groupNameOf(p); name != "" {
		subject.Group = &v1alpha1.ServerGroup{}
		if err := r.cached(ctx, p, name, subject.Group); err != nil {
			return nil, err
		}
	}
	if p.Site.Name != "" {
		subject.Datacenter = &v1alpha1.Datacenter{}
		if err := r.cached(ctx, p, p.Site.Name, subject.Datacenter); err != nil {
			return nil, err
		}
	}
	return ledger.FactsOf(subject), nil
}

// cached reads an object beside the Operation; one that is gone stays empty but for nothing.
func (r *Operations) cached(ctx context.Context, p *pass, name string, into client.Object) error {
	return client.IgnoreNotFound(r.client.Get(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: name}, into))
}

// groupNameOf gives the group that made the Operation, or, where it was made by hand, the first that
// selects its server; empty for none.
func (r *Operations) groupNameOf(p *pass) string {
	if name := p.Operation.Labels[v1alpha1.LabelGroup]; name != "" {
		return name
	}
	return r.roster.groupOf(p.key.Namespace, p.Operation.Spec.ServerRef.Name)
}

// expectedOf an Operation's duration.
func expectedOf(op *v1alpha1.Operation) (likely time.Duration) {
	if op.Spec.Operation == v1alpha1.ActionRepave {
		return forecast.AssumedRepave.Likely
	}
	return forecast.AssumedOther.Likely
}

// notice tells what a rule says of an Operation that it lets pass.
func (r *Operations) notice(op *v1alpha1.Operation, notice ledger.Notice) {
	observeNotice(notice)
	switch {
	case notice.DryRun:
		r.recorder.Eventf(op, corev1.EventTypeNormal, v1alpha1.ReasonDryRun, "policy %s, rule %s, would have this Operation %s: %s",
			notice.Policy, notice.Rule, wouldBe[notice.Effect], notice.Message)
	case notice.Effect == rules.Warn:
		r.recorder.Eventf(op, corev1.EventTypeWarning, v1alpha1.ReasonPolicyWarning, "policy %s, rule %s: %s", notice.Policy, notice.Rule, notice.Message)
	}
}

var wouldBe = map[rules.Effect]string{rules.Deny: "denied", rules.Hold: "held", rules.Warn: "warned of", rules.Audit: "counted"}
