package controllers

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// carryOut does one effect and folds what came back into the snapshot. done says that the pass ends
// here, because the rest comes by itself.
func (r *Operations) carryOut(ctx context.Context, p *pass, effect operation.Effect) (done bool, err error) {
	switch effect := effect.(type) {
	case operation.AskGate:
		return false, r.askGate(ctx, p)
	case operation.AddFinalizer:
		return false, r.writeFinalizers(ctx, p, append(slices.Clone(p.Operation.Finalizers), v1alpha1.Finalizer))
	case operation.RemoveFinalizer:
		return r.removeFinalizer(ctx, p)
	case operation.Delete:
		return true, client.IgnoreNotFound(r.client.Delete(ctx, p.Operation, client.Preconditions{UID: &p.Operation.UID, ResourceVersion: &p.Operation.ResourceVersion}))
	case operation.WriteServer:
		return false, r.writeServer(ctx, p, effect.Status)
	case operation.WriteStatus:
		return false, r.writeStatusUnlessClaimed(ctx, p, effect)
	case operation.Confirm:
		return false, r.confirm(ctx, p)
	case operation.Call:
		return r.call(p, effect)
	case operation.RunHook:
		return r.runHook(ctx, p, effect)
	}
	return false, fmt.Errorf("unknown effect %T", effect)
}

// removeFinalizer lets the Operation go, of which nothing is left anywhere.
func (r *Operations) removeFinalizer(ctx context.Context, p *pass) (done bool, err error) {
	if claimed, err := r.claimedAfterAll(ctx, p); claimed || err != nil {
		return false, err
	}
	left := slices.DeleteFunc(slices.Clone(p.Operation.Finalizers), func(f string) bool { return f == v1alpha1.Finalizer })
	r.gate.Release(p.Operation.UID)
	return true, r.writeFinalizers(ctx, p, left)
}

// writeStatusUnlessClaimed writes the status, but for an end of an Operation that has a claim which
// the cache does not show yet.
func (r *Operations) writeStatusUnlessClaimed(ctx context.Context, p *pass, write operation.WriteStatus) error {
	if write.Status.Phase.Terminal() && operation.StageOf(&p.Operation.Status) == operation.StageWaiting {
		if claimed, err := r.claimedAfterAll(ctx, p); claimed || err != nil {
			return err
		}
	}
	return r.writeStatus(ctx, p, write)
}

// claimedAfterAll asks the API server whether the Operation has a claim that the cache does not show
// yet, before it ends or goes as one that has none: nobody else would give it back. If so, what to do
// is decided again.
func (r *Operations) claimedAfterAll(ctx context.Context, p *pass) (bool, error) {
	var server v1alpha1.Server
	key := types.NamespacedName{Namespace: p.key.Namespace, Name: p.Operation.Spec.ServerRef.Name}
	if err := r.live.Get(ctx, key, &server); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if active := server.Status.ActiveOperation; active == nil || active.UID != string(p.Operation.UID) {
		return false, nil
	}
	p.Server = &server
	return true, nil
}

// writeStatus writes the Operation's status.
func (r *Operations) writeStatus(ctx context.Context, p *pass, write operation.WriteStatus) error {
	next := p.Operation.DeepCopy()
	next.Status = write.Status
	before := p.Operation
	switch attempt := next.Status.LastAttempt(); {
	case write.Intent:
		r.calls.intend(next.UID, attempt.RequestID)
	case attempt != nil && attempt.By != before.Status.LastAttempt().By:
		r.calls.inherit(next.UID, attempt.RequestID)
	}
	if err := r.client.Status().Update(ctx, next); err != nil {
		r.refused(err) // which ends this process: nothing was sent
		return fmt.Errorf("writing the status of Operation %s: %w", p.key, err)
	}
	r.operations.wrote(next)
	r.census.ended(next)
	p.Operation = next
	p.intended = write.Intent
	if write.Intent {
		p.NotLanded = true
	}
	observeWrite(before, next)
	r.tell(next, write.Event)
	return nil
}

// writeServer writes the Server's status: a claim, or an outcome.
func (r *Operations) writeServer(ctx context.Context, p *pass, status v1alpha1.ServerStatus) error {
	if status.ActiveOperation == nil && operation.StageOf(&p.Operation.Status) == operation.StageWaiting {
		// The claim is the Operation's, not this process's: another controller may have written an
		// intent on it that the cache does not show yet.
		if err := r.confirmOperation(ctx, p); err != nil {
			return err
		}
	}
	next := p.Server.DeepCopy()
	next.Status = status
	if err := r.client.Status().Update(ctx, next); err != nil {
		return fmt.Errorf("writing the status of Server %s: %w", next.Name, err)
	}
	r.servers.wrote(next)
	r.census.server(next)
	before, after := p.Server.Status.ActiveOperation, next.Status.ActiveOperation
	p.Server = next
	if before != nil && after != nil && before.By != after.By {
		return r.tookOver(ctx, p)
	}
	return nil
}

// tookOver makes sure that what is known of an Operation is still so, now that the process which had
// the claim can do nothing more under it. That process may have sent what this one has not.
func (r *Operations) tookOver(ctx context.Context, p *pass) error {
	r.calls.doubt(p.Operation.UID)
	p.NotLanded = false
	return r.confirmOperation(ctx, p)
}

func (r *Operations) writeFinalizers(ctx context.Context, p *pass, finalizers []string) error {
	next := p.Operation.DeepCopy()
	next.Finalizers = finalizers
	if err := r.client.Update(ctx, next); err != nil {
		return fmt.Errorf("writing the finalizers of Operation %s: %w", p.key, err)
	}
	r.operations.wrote(next)
	p.Operation = next
	return nil
}

// confirm asks the API server itself, in the moment before the deed, what no compare-and-swap has
// just shown: the Datacenter always, Server and Operation where the intent is not of this pass.
func (r *Operations) confirm(ctx context.Context, p *pass) error {
	p.Confirmed = &operation.Confirmation{}
	if p.Site.Name != "" {
		var dc v1alpha1.Datacenter
		err := r.live.Get(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: p.Site.Name}, &dc)
		if apierrors.IsNotFound(err) {
			_, p.Confirmed.Hold = pick(nil, p.key.Namespace, p.Site.Name)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading Datacenter %s: %w", p.Site.Name, err)
		}
		p.Confirmed.Hold = operation.SiteHold(siteOf(&dc))
		if p.Confirmed.Hold == nil && (dc.UID != p.datacenter.uid || dc.Generation != p.datacenter.generation) {
			return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("datacenters").GroupResource(), dc.Name, fmt.Errorf("the driver is of what it was before, and may reach another site"))
		}
	}
	if p.Confirmed.Hold != nil {
		return nil
	}
	if err := r.confirmServer(ctx, p); err != nil || p.Confirmed.Hold != nil {
		return err
	}
	return r.confirmPolicies(ctx, p)
}

// confirmServer looks at the Server and, through its compare-and-swap, at the Operation once more.
func (r *Operations) confirmServer(ctx context.Context, p *pass) error {
	var server v1alpha1.Server
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(p.Server), &server); err != nil {
		return fmt.Errorf("reading Server %s: %w", p.Server.Name, err)
	}
	if active := server.Status.ActiveOperation; server.UID != p.Server.UID || active == nil || active.UID != string(p.Operation.UID) || active.By != r.process {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("servers").GroupResource(), server.Name, fmt.Errorf("the claim is not ours any more"))
	}
	if server.DeletionTimestamp != nil || operation.IdentityHash(&server.Spec) != p.Operation.Status.DecidedOn.IdentityHash {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("servers").GroupResource(), server.Name, fmt.Errorf("it is another machine now, or goes"))
	}
	shared, err := conflicts(ctx, r.client, &server)
	if err != nil {
		return err
	}
	if p.Confirmed.Hold = operation.ServerHold(&server, shared); p.Confirmed.Hold == nil {
		p.Confirmed.Hold = operation.AdoptionHold(p.Operation, &server)
	}
	if err := r.confirmRollout(ctx, p, &server); err != nil {
		return err
	}
	if p.intended {
		return nil
	}
	return r.confirmOperation(ctx, p)
}

// confirmOperation asks the API server whether the Operation is still what was decided on.
func (r *Operations) confirmOperation(ctx context.Context, p *pass) error {
	var op v1alpha1.Operation
	if err := r.live.Get(ctx, p.key, &op); err != nil {
		return fmt.Errorf("reading Operation %s: %w", p.key, err)
	}
	if op.ResourceVersion != p.Operation.ResourceVersion {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("operations").GroupResource(), op.Name, fmt.Errorf("it changed"))
	}
	return nil
}

// call hands a call to the site's workers; the reply wakes the Operation.
func (r *Operations) call(p *pass, call operation.Call) (bool, error) {
	if p.driver == nil {
		return false, fmt.Errorf("operation %s: no driver for %s", p.key, p.Site.Name)
	}
	r.calls.start(r.background, p.key, p.Operation.UID, p.key.Namespace+"/"+p.Site.Name, p.driver, call)
	return true, nil
}
