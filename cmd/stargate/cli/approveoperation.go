package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

func (o *approveOptions) checkOperation() error {
	switch {
	case o.commit != "":
		return usagef("--commit is for fleets")
	case o.wave != "":
		return usagef("--wave is for groups")
	}
	return checkRules(o.override)
}

// checkRules that are named to be overridden.
func checkRules(rules []string) error {
	for _, rule := range rules {
		if strings.ContainsAny(rule, " \t\n") || strings.HasPrefix(rule, "/") || rule == "" {
			return usagef("--override: expected policy or policy/rule, got %q", render.Clean(rule))
		}
	}
	return nil
}

// approveOperation adds one's own approval, or lets the Operation pass rules by name. The API server
// writes who did it; where it cannot, it checks what is written here.
func (a *App) approveOperation(ctx context.Context, name string, options *approveOptions) error {
	if err := options.checkOperation(); err != nil {
		return err
	}
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	object, err := cluster.read(ctx, operationKind(), name)
	if err != nil {
		return err
	}
	who, err := cluster.whoami(ctx)
	if err != nil {
		return err
	}
	op := asOperation(object)
	if err := approvable(op, who, options); err != nil {
		return err
	}
	a.showOperation(op)
	if !options.yes {
		if err := a.ask(ctx, options.question(name)); err != nil {
			return err
		}
	}
	return a.vouch(ctx, cluster, op, who, options)
}

// question that is asked before.
func (o *approveOptions) question(name string) string {
	if len(o.override) > 0 {
		return "override " + strings.Join(o.override, ", ") + " for Operation " + name + "?"
	}
	return "approve Operation " + name + "?"
}

// vouch writes it onto the Operation that was shown and no other.
func (a *App) vouch(ctx context.Context, c *cluster, shown *v1alpha1.Operation, who string, options *approveOptions) error {
	done := ""
	object, err := c.steerExactly(ctx, operationKind(), shown.Name, func(o client.Object) (fields, error) {
		now := asOperation(o)
		if now.UID != shown.UID {
			return nil, failf("there is another Operation %s since: nothing was approved", shown.Name)
		}
		if err := approvable(now, who, options); err != nil {
			return nil, err
		}
		var annotations fields
		annotations, done = said(now, who, options)
		if annotations == nil {
			return nil, nil
		}
		return fields{"metadata": fields{"annotations": annotations}}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(options.output, operationKind(), object, done)
}

// approvable tells what the API server or the engine would say no to.
func approvable(op *v1alpha1.Operation, who string, options *approveOptions) error {
	switch {
	case op.Status.Phase.Terminal():
		return failf("Operation %s has ended already: %s. There is nothing left to approve", op.Name, op.Status.Phase)
	case len(options.override) == 0 && op.Annotations[v1alpha1.AnnotationRequester] == who:
		return failf("%s asked for Operation %s and cannot approve it: have another person approve it", render.Clean(who), op.Name)
	}
	return nil
}

// said is what is written upon the Operation, and what that is called; nil where it is there already.
func said(op *v1alpha1.Operation, who string, options *approveOptions) (fields, string) {
	has := op.Annotations
	if len(options.override) > 0 {
		rules := linesOf(has[v1alpha1.AnnotationOverride])
		for _, rule := range options.override {
			if !slices.Contains(rules, rule) {
				rules = append(rules, rule)
			}
		}
		names := strings.Join(rules, ", ")
		return fields{
			v1alpha1.AnnotationOverride:       strings.Join(rules, "\n"),
			v1alpha1.AnnotationOverrideReason: options.reason, v1alpha1.AnnotationOverriddenBy: who,
		}, "passes " + names + " by your override"
	}
	by, why := linesOf(has[v1alpha1.AnnotationApprovedBy]), linesOf(has[v1alpha1.AnnotationApproveReason])
	if slices.Contains(by, who) && has[v1alpha1.AnnotationApprove] == string(op.UID) {
		return nil, "was approved before: by " + strings.Join(by, ", ")
	}
	by, why = append(by, who), append(why, options.reason)
	return fields{
		v1alpha1.AnnotationApprove:       string(op.UID),
		v1alpha1.AnnotationApprovedBy:    strings.Join(by, "\n"),
		v1alpha1.AnnotationApproveReason: strings.Join(why, "\n"),
	}, "approved: by " + strings.Join(by, ", ")
}

// linesOf a text, none of nothing.
func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// showOperation tells, on stderr, what is let go: what it does, who asked, who approved, what holds it.
func (a *App) showOperation(op *v1alpha1.Operation) {
	says := op.Annotations
	text := fmt.Sprintf("Operation %s: %s of Server %s", op.Name, op.Spec.Operation, op.Spec.ServerRef.Name)
	if ref := op.Spec.ProvisioningProfileRef; ref != nil {
		text += " with profile " + ref.Name
	}
	if who := says[v1alpha1.AnnotationRequester]; who != "" {
		text += ", asked for by " + who
	}
	if why := says[v1alpha1.AnnotationReason]; why != "" {
		text += fmt.Sprintf(" (%s)", why)
	}
	a.note("%s", render.Clean(text))
	if by := linesOf(says[v1alpha1.AnnotationApprovedBy]); len(by) > 0 {
		a.note("  %s    %s", a.notes.Paint(render.Good, "approved by"), render.Clean(strings.Join(by, ", ")))
	}
	for i := range op.Status.Holds {
		hold := &op.Status.Holds[i]
		from := hold.Source
		if hold.Rule != "" {
			from += "/" + hold.Rule
		}
		a.note("  %s    %s: %s", a.notes.Paint(render.Held, "HELD"), render.Clean(from), render.Clean(hold.Message))
	}
}
