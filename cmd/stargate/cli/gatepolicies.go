package cli

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/explain"
)

// judge asks the policies what they will say. Where there are none, nothing more is read; what somebody
// may not read is a doubt and no obstacle.
func (a *App) judge(ctx context.Context, options *actOptions, plans []gates) error {
	doubt := func(err error) error {
		if !apierrors.IsForbidden(err) {
			return err
		}
		for i := range plans {
			plans[i].doubts = append(plans[i].doubts, "what policies say is not known here: "+err.Error())
		}
		return nil
	}
	wide, err := a.wide()
	if err != nil {
		return err
	}
	var some v1alpha1.PolicyList
	if err := wide.List(ctx, &some, client.Limit(1)); err != nil || len(some.Items) == 0 {
		return doubt(err)
	}
	now := a.now()
	world, err := a.gather(ctx, now)
	if err != nil {
		return doubt(err)
	}
	who, err := wide.whoami(ctx)
	if err != nil {
		return err
	}
	seen := world.Explaining(now)
	counted := seen.Ledger()
	for i := range plans {
		op := options.build(plans[i].server, "new")
		op.Annotations = map[string]string{v1alpha1.AnnotationRequester: who}
		for _, gate := range seen.Explain(op, counted).With(explain.Holds, explain.Denies, explain.Tells) {
			if gate.Effect != "" {
				plans[i].policies = append(plans[i].policies, gate)
			}
		}
	}
	return nil
}

// showPolicies tells what the policies will say.
func (a *App) showPolicies(p *gates) {
	for i := range p.policies {
		gate := &p.policies[i]
		shown := outcomes[gate.Outcome]
		text := fmt.Sprintf("%s: %s", gateName(gate), gateMessage(gate))
		if until := gateEnd(gate, a.now()); until != "" {
			text += ", " + until
		}
		a.note("  %-7s %s", a.notes.Paint(shown.colour, shown.word), render.Clean(text))
	}
}

// held tells whether something is known to be in the way.
func (p *gates) held() bool {
	for i := range p.policies {
		if p.policies[i].Outcome != explain.Tells {
			return true
		}
	}
	return len(p.holds) > 0
}
