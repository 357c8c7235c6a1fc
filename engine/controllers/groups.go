package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// Groups reconciles ServerGroups: it brings their servers to their profile.
type Groups struct {
	client   client.Client
	live     client.Reader
	clock    clock.Clock
	sites    *sites
	scope    Scope
	recorder record.EventRecorder

	operations *newest[*v1alpha1.Operation]
	servers    *newest[*v1alpha1.Server]
	groups     *newest[*v1alpha1.ServerGroup]
	roster     *roster
	census     *census
	pace       *pace

	mu sync.Mutex
	// secrets holds the profiles whose documents come from Secrets, as last read.
	secrets map[types.NamespacedName]documented
}

// groupPass is one group's way through a Reconcile.
type groupPass struct {
	rollout.Snapshot
	key types.NamespacedName
	// recheck is when something is read again that no watch tells about; zero for never.
	recheck time.Time
}

// Reconcile brings one group's rollout as far as it can go now.
func (r *Groups) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	key := request.NamespacedName
	if !r.scope.Has(key.Namespace) {
		return reconcile.Result{}, nil
	}
	began := r.clock.Now()
	if wait := r.pace.rest(key, began); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	p, err := r.gather(ctx, key)
	if errors.Is(err, errBehind) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	if err != nil || p == nil {
		return reconcile.Result{}, err
	}
	decision, err := r.decide(ctx, p)
	if err != nil {
		return reconcile.Result{}, err
	}
	r.pace.passed(key, began, r.clock.Now())
	observeGroup(p.Group, &decision.Status)
	written, err := r.writeStatus(ctx, p, &decision.Status)
	if !written || err != nil {
		return reconcile.Result{RequeueAfter: conflictDelay}, err
	}
	r.tell(p.Group, decision.Events)
	// Every server of it is in the status by now: whatever happens from here on is found there.
	if err := r.carryOut(ctx, p, &decision); err != nil {
		return reconcile.Result{}, err
	}
	if len(decision.Create) > 0 {
		// Until the cache shows them they would be made again, in vain.
		r.pace.hold(key, r.clock.Now())
	}
	return r.rest(p, decision.Wake), nil
}

// writeStatus writes a group's status, by compare-and-swap, unless it is so already. It is not written
// where the group was read too early: then all is decided anew.
func (r *Groups) writeStatus(ctx context.Context, p *groupPass, status *v1alpha1.ServerGroupStatus) (bool, error) {
	if equality.Semantic.DeepEqual(&p.Group.Status, status) {
		return true, nil
	}
	next := p.Group.DeepCopy()
	next.Status = *status
	err := r.client.Status().Update(ctx, next)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		r.groups.forget(p.Group.UID)
		ctrl.LoggerFrom(ctx).V(1).Info("decided on something old", "error", err.Error())
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("writing the status of ServerGroup %s: %w", p.key, err)
	}
	r.groups.wrote(next)
	p.Group = next
	return true, nil
}

// rest waits until a clock brings something new.
func (r *Groups) rest(p *groupPass, wake time.Time) reconcile.Result {
	if wake.IsZero() || (!p.recheck.IsZero() && p.recheck.Before(wake)) {
		wake = p.recheck
	}
	if wake.IsZero() {
		return reconcile.Result{}
	}
	return reconcile.Result{RequeueAfter: max(wake.Sub(r.clock.Now()), time.Millisecond)}
}

func (r *Groups) tell(group *v1alpha1.ServerGroup, events []rollout.Event) {
	for _, event := range events {
		kind := corev1.EventTypeNormal
		if event.Warning {
			kind = corev1.EventTypeWarning
		}
		r.recorder.Event(group, kind, event.Reason, event.Message)
	}
}

// gone forgets a group that is no more. What its rollout made and has not begun ends by itself.
func (r *Groups) gone(key types.NamespacedName) {
	r.pace.forget(key)
	forgetGroup(key)
}
