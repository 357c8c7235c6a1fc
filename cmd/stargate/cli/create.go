package cli

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

const (
	suffixLength = 5
	// creationTries after replies that were lost, and the pause between two.
	creationTries = 3
	creationPause = time.Second
)

// createAll makes the Operations one after the other. One that is refused does not stop the others:
// each was asked for.
func (a *App) createAll(ctx context.Context, c *cluster, options *actOptions, plans []gates) ([]*v1alpha1.Operation, int) {
	var created []*v1alpha1.Operation
	code := exitFine
	for _, plan := range plans {
		op := options.build(plan.server, a.random(suffixLength))
		if err := c.createOnce(ctx, op, options.dryRun); err != nil {
			code = worst(code, a.report(a.name, a.explained(err)))
			continue
		}
		created = append(created, op)
		a.announce(op, options)
	}
	return created, code
}

func (a *App) announce(op *v1alpha1.Operation, options *actOptions) {
	name := operationKind().fullName(op.Name)
	switch {
	case structured(options.output):
	case options.output == render.Name:
		a.say("%s", name)
	case options.dryRun:
		a.say("%s created (server dry run: nothing was done)", name)
	default:
		a.say("%s created", name)
	}
	if !options.wait && !options.dryRun {
		a.note("Follow it: %s watch operation %s -n %s --until-done", a.name, op.Name, op.Namespace)
	}
}

// createOnce creates an Operation, and creates it once: where a reply is lost it is sent again under
// the same name, and one that is there already with the same content is the one that was sent.
func (c *cluster) createOnce(ctx context.Context, op *v1alpha1.Operation, dryRun bool) error {
	options := []client.CreateOption{client.FieldOwner(fieldManager)}
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	for try := 1; ; try++ {
		attempt := op.DeepCopy()
		err := c.Create(ctx, attempt, options...)
		switch {
		case err == nil:
			*op = *attempt
			return nil
		case apierrors.IsAlreadyExists(err) && try > 1:
			return c.recognise(ctx, op)
		case apierrors.IsAlreadyExists(err):
			return fmt.Errorf("there is an Operation %s in namespace %s already; choose another --name", op.Name, op.Namespace)
		case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
			return fmt.Errorf("the API server refused Operation %s: %w", op.Name, err)
		case !lost(err) || try == creationTries:
			return fmt.Errorf("creating Operation %s: %w", op.Name, err)
		}
		if !pause(ctx, creationPause) {
			return fmt.Errorf("creating Operation %s: %w", op.Name, err)
		}
	}
}

// recognise reads back what an earlier try made.
func (c *cluster) recognise(ctx context.Context, op *v1alpha1.Operation) error {
	found := &v1alpha1.Operation{}
	if err := c.Get(ctx, client.ObjectKeyFromObject(op), found); err != nil {
		return fmt.Errorf("reading Operation %s back: %w", op.Name, err)
	}
	if !equality.Semantic.DeepEqual(found.Spec, op.Spec) {
		return fmt.Errorf("there is another Operation %s in namespace %s already; choose another --name", op.Name, op.Namespace)
	}
	*op = *found
	return nil
}

// lost tells whether a write may have landed although no answer came.
func lost(err error) bool {
	var status apierrors.APIStatus
	if apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsInternalError(err) {
		return true
	}
	return !asStatus(err, &status)
}

// pause waits, and tells whether it was let to.
func pause(ctx context.Context, how time.Duration) bool {
	timer := time.NewTimer(how)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func objectsOf(ops []*v1alpha1.Operation) []client.Object {
	objects := make([]client.Object, 0, len(ops))
	for _, op := range ops {
		objects = append(objects, op)
	}
	return objects
}
