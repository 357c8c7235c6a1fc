package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/ledger"
)

const (
	// probeEvery is how often a site that answers is asked for its health; probeAgain one that does
	// not.
	probeEvery = time.Minute
	probeAgain = 15 * time.Second
	// releaseAgain is how often a deleted Datacenter is looked at that is still in use.
	releaseAgain = time.Second
	// conflictDelay is how soon something is decided again that was decided on something old.
	conflictDelay = 200 * time.Millisecond
)

// Datacenters reconciles what is known of each site. It writes only what changed.
type Datacenters struct {
	client client.Client
	live   client.Reader
	clock  clock.Clock
	sites  *sites
	scope  Scope
	ledger *ledger.Ledger
}

// probe is what a site said of itself.
type probe struct {
	problem      *v1alpha1.Hold
	capabilities drivers.Capabilities
	err          error
}

// fine tells whether the site could be asked, and answered.
func (p probe) fine() bool { return p.problem == nil && p.err == nil }

// Reconcile asks one site for its health and writes down what changed.
func (r *Datacenters) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	dc := &v1alpha1.Datacenter{}
	err := r.client.Get(ctx, request.NamespacedName, dc)
	if err == nil || apierrors.IsNotFound(err) {
		r.sites.keep(request.NamespacedName, dc.UID)
	}
	if apierrors.IsNotFound(err) {
		siteActive.DeleteLabelValues(request.String())
	}
	if err != nil || !r.scope.Has(request.Namespace) {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if dc.DeletionTimestamp != nil {
		return r.release(ctx, dc)
	}
	found, err := r.probe(ctx, dc)
	if err != nil {
		return reconcile.Result{}, err
	}
	active, waiting := r.ledger.Load(ledger.Key(dc.Namespace + "/" + dc.Name))
	siteActive.WithLabelValues(dc.Namespace + "/" + dc.Name).Set(float64(active))
	status := datacenterStatus(dc, found, active, waiting, metav1.NewTime(r.clock.Now()))
	if !equality.Semantic.DeepEqual(status, &dc.Status) {
		next := dc.DeepCopy()
		next.Status = *status
		if err := r.client.Status().Update(ctx, next); err != nil {
			return r.setBack(dc, err)
		}
	}
	if !found.fine() {
		return reconcile.Result{RequeueAfter: min(probeAgain, r.sites.every)}, nil
	}
	return reconcile.Result{RequeueAfter: probeEvery}, nil
}

// probe asks the site what it is.
func (r *Datacenters) probe(ctx context.Context, dc *v1alpha1.Datacenter) (probe, error) {
	site, driver, _, err := r.sites.of(ctx, dc.Namespace, dc.Name)
	if err != nil {
		return probe{}, err
	}
	found := probe{problem: site.Problem}
	if prober, ok := driver.(drivers.Prober); ok && site.Problem == nil {
		found.capabilities, found.err = prober.Probe(ctx)
	}
	return found, nil
}

func (r *Datacenters) setBack(dc *v1alpha1.Datacenter, err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	return reconcile.Result{}, fmt.Errorf("writing Datacenter %s/%s: %w", dc.Namespace, dc.Name, err)
}

// release lets a deleted Datacenter go once nothing that it reaches is under way.
func (r *Datacenters) release(ctx context.Context, dc *v1alpha1.Datacenter) (reconcile.Result, error) {
	var ops v1alpha1.OperationList
	if err := r.client.List(ctx, &ops, client.InNamespace(dc.Namespace), client.MatchingFields{indexLive: "true"}); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing Operations: %w", err)
	}
	for i := range ops.Items {
		if op := &ops.Items[i]; underway(op) && op.Status.DecidedOn.Datacenter == dc.Name {
			return reconcile.Result{RequeueAfter: releaseAgain}, nil
		}
	}
	if !slices.Contains(dc.Finalizers, v1alpha1.Finalizer) {
		return reconcile.Result{}, nil
	}
	next := dc.DeepCopy()
	next.Finalizers = slices.DeleteFunc(next.Finalizers, func(f string) bool { return f == v1alpha1.Finalizer })
	if err := r.client.Update(ctx, next); err != nil {
		return r.setBack(dc, err)
	}
	return reconcile.Result{}, nil
}

// datacenterStatus is what should be said of a site.
func datacenterStatus(dc *v1alpha1.Datacenter, found probe, active, waiting int, now metav1.Time) *v1alpha1.DatacenterStatus {
	status := dc.Status.DeepCopy()
	status.ObservedGeneration = dc.Generation
	status.Load = v1alpha1.DatacenterLoad{Active: int32(active), Waiting: int32(waiting)} //nolint:gosec // counts of objects in memory
	set := func(kind string, value bool, reason, message string) {
		condition := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message,
			ObservedGeneration: dc.Generation, LastTransitionTime: now}
		if value {
			condition.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	switch {
	case found.problem != nil:
		set(v1alpha1.ConditionReachable, false, found.problem.Reason, found.problem.Message)
	case found.err != nil:
		reason := drivers.ReasonOf(found.err)
		if reason == "" {
			reason = v1alpha1.ReasonUnreachable
		}
		set(v1alpha1.ConditionReachable, false, reason, found.err.Error())
	default:
		tellCapabilities(status, found.capabilities, set)
	}
	reachable := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReachable)
	switch {
	case reachable.Status != metav1.ConditionTrue:
		set(v1alpha1.ConditionReady, false, reachable.Reason, reachable.Message)
	case dc.Spec.Paused:
		set(v1alpha1.ConditionReady, true, v1alpha1.ReasonPaused, "paused: nothing starts here. "+dc.Spec.Reason)
	default:
		set(v1alpha1.ConditionReady, true, v1alpha1.ReasonReady, reachable.Message)
	}
	return status
}

// tellCapabilities says what a site offers, and which guarantee is weaker there.
func tellCapabilities(status *v1alpha1.DatacenterStatus, site drivers.Capabilities, set func(string, bool, string, string)) {
	set(v1alpha1.ConditionReachable, true, v1alpha1.ReasonReachable, "the site answers, API "+site.Version)
	status.APIVersion = site.Version
	status.Capabilities = nil
	for _, action := range site.Actions {
		status.Capabilities = append(status.Capabilities, string(action))
	}
	for name, has := range map[string]bool{"idempotent": site.Idempotent, "cancel": site.Cancel,
		"checksIdentity": site.ChecksIdentity, "reportsApplied": site.ReportsApplied} {
		if has {
			status.Capabilities = append(status.Capabilities, name)
		}
	}
	slices.Sort(status.Capabilities)
	if site.Idempotent {
		set(v1alpha1.ConditionExactlyOnce, true, v1alpha1.ReasonRequestID, "the site does a request once, however often it is sent")
		return
	}
	set(v1alpha1.ConditionExactlyOnce, false, v1alpha1.ReasonNoRequestID,
		"the site knows no request id: where a reply is lost, the Operation waits for a person (stargate resolve operation), or is sent again if spec.onUnknownOutcome is Retry")
}
