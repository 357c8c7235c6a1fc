package controllers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// gatherRollout asks the group whose rollout made the Operation, before anything is sent.
func (r *Operations) gatherRollout(ctx context.Context, p *pass) error {
	stage := operation.StageOf(&p.Operation.Status)
	if p.Operation.Labels[v1alpha1.LabelGroup] == "" || (stage != operation.StageWaiting && stage != operation.StageDispatching) {
		return nil
	}
	group, err := r.groupOf(ctx, r.client, p.Operation)
	if err == nil && group == nil {
		// The cache may not show it yet.
		group, err = r.groupOf(ctx, r.live, p.Operation)
	}
	if err != nil {
		return err
	}
	fleet, err := fleetOf(ctx, r.client, group)
	if err != nil {
		return err
	}
	p.Rollout = operation.RolloutOf(p.Operation, p.Server, group, fleet, false, r.clock.Now())
	return nil
}

// confirmRollout asks the group and its fleet again, as the API server has them: what was paused,
// suspended, edited or deleted a moment ago is not shown by any compare-and-swap.
func (r *Operations) confirmRollout(ctx context.Context, p *pass, server *v1alpha1.Server) error {
	if p.Operation.Labels[v1alpha1.LabelGroup] == "" {
		return nil
	}
	group, err := r.groupOf(ctx, r.live, p.Operation)
	if err != nil {
		return err
	}
	fleet, err := fleetOf(ctx, r.live, group)
	if err != nil {
		return err
	}
	p.Rollout = operation.RolloutOf(p.Operation, server, group, fleet, true, r.clock.Now())
	if p.Confirmed.Hold == nil {
		p.Confirmed.Hold = p.Rollout.Hold
	}
	return nil
}

// groupOf reads the group whose rollout made an Operation; nil where there is none.
func (r *Operations) groupOf(ctx context.Context, reader client.Reader, op *v1alpha1.Operation) (*v1alpha1.ServerGroup, error) {
	key := types.NamespacedName{Namespace: op.Namespace, Name: op.Labels[v1alpha1.LabelGroup]}
	var group v1alpha1.ServerGroup
	err := reader.Get(ctx, key, &group)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading ServerGroup %s: %w", key, err)
	}
	return &group, nil
}

// fleetOf reads the fleet that a group comes from; nil where there is none.
func fleetOf(ctx context.Context, reader client.Reader, group *v1alpha1.ServerGroup) (*v1alpha1.Fleet, error) {
	if group == nil || group.Labels[v1alpha1.LabelFleet] == "" {
		return nil, nil
	}
	name := group.Labels[v1alpha1.LabelFleet]
	var fleet v1alpha1.Fleet
	err := reader.Get(ctx, types.NamespacedName{Name: name}, &fleet)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Fleet %s: %w", name, err)
	}
	return &fleet, nil
}

// ofGroup gives the live Operations that a group's rollout made.
func (r *Operations) ofGroup(ctx context.Context, group client.Object) []reconcile.Request {
	return r.liveWhere(ctx, group.GetNamespace(), client.MatchingFields{indexGroup: group.GetName()})
}

// ofFleet gives the live Operations that the rollouts of a fleet's groups made.
func (r *Operations) ofFleet(ctx context.Context, fleet client.Object) []reconcile.Request {
	var groups v1alpha1.ServerGroupList
	if err := r.client.List(ctx, &groups, client.MatchingLabels{v1alpha1.LabelFleet: fleet.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing the groups of a fleet", "fleet", fleet.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range groups.Items {
		requests = append(requests, r.ofGroup(ctx, &groups.Items[i])...)
	}
	return requests
}
