package controllers

import (
	"context"
	"fmt"
	"maps"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/engine/rollout"
)

// makersAtOnce bounds the requests that one group has under way.
const makersAtOnce = 16

// carryOut makes and cancels the Operations that a decision asks for. What fails is asked for again:
// the servers are in the group's status.
func (r *Groups) carryOut(ctx context.Context, p *groupPass, decision *rollout.Decision) error {
	var all errgroup.Group
	all.SetLimit(makersAtOnce)
	for _, op := range decision.Create {
		all.Go(func() error {
			err := r.create(ctx, p, op)
			if err != nil {
				r.recorder.Event(p.Group, corev1.EventTypeWarning, v1alpha1.ReasonOperationNotMade, err.Error())
			}
			return err
		})
	}
	for _, name := range decision.Cancel {
		all.Go(func() error { return r.cancel(ctx, p, name) })
	}
	return all.Wait()
}

// create makes an Operation. One of that name that is the same was made before a crash.
func (r *Groups) create(ctx context.Context, p *groupPass, op *v1alpha1.Operation) error {
	next := op.DeepCopy()
	next.Namespace = p.key.Namespace
	err := r.client.Create(ctx, next)
	if err == nil {
		r.operations.wrote(next)
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making Operation %s: %w", op.Name, err)
	}
	var there v1alpha1.Operation
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(next), &there); err != nil {
		return fmt.Errorf("reading Operation %s: %w", op.Name, err)
	}
	if there.Labels[v1alpha1.LabelGroup] != p.key.Name || there.Spec.ServerRef != op.Spec.ServerRef {
		return fmt.Errorf("making Operation %s: there is another of that name, for server %s; delete it", op.Name, there.Spec.ServerRef.Name)
	}
	return nil
}

// cancel ends an Operation that has not started. Where it has since, the compare-and-swap fails, and it
// is seen out.
func (r *Groups) cancel(ctx context.Context, p *groupPass, name string) error {
	op := p.Operations[name]
	if op == nil || op.Spec.Cancel || op.Status.Phase.Terminal() || operation.StageOf(&op.Status) != operation.StageWaiting {
		return nil
	}
	next := op.DeepCopy()
	next.Spec.Cancel = true
	next.Annotations = maps.Clone(next.Annotations)
	metav1.SetMetaDataAnnotation(&next.ObjectMeta, v1alpha1.AnnotationCancelReason,
		fmt.Sprintf("revision %s of ServerGroup %s took over before it started", p.Group.Status.Revision.Name, p.key.Name))
	err := r.client.Update(ctx, next)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		r.operations.forget(op.UID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cancelling Operation %s: %w", types.NamespacedName{Namespace: p.key.Namespace, Name: name}, err)
	}
	r.operations.wrote(next)
	return nil
}
