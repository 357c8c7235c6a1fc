package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/rules"
)

// Policies reconciles Policies: it compiles them, tells in their status what came of it, and has the
// ledger judge by them.
type Policies struct {
	client   client.Client
	live     client.Reader
	clock    clock.PassiveClock
	recorder record.EventRecorder
	ledger   *ledger.Ledger
	sweeper  *sweeper
	look     *lastLook

	mu       sync.Mutex
	compiled map[string]compiledPolicy
}

// compiledPolicy is a Policy as it is judged by.
type compiledPolicy struct {
	identity
	policy *rules.Policy
}

// identity tells whether an object's spec is still the one that was read.
type identity struct {
	uid        types.UID
	generation int64
}

func setupPolicies(mgr ctrl.Manager, r *Policies) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("policy").
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		For(&v1alpha1.Policy{}, onSpec()).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the Policy reconciler: %w", err)
	}
	return nil
}

// Reconcile compiles what changed, and writes one Policy's status.
func (r *Policies) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if err := r.load(ctx); err != nil {
		return reconcile.Result{}, err
	}
	var policy v1alpha1.Policy
	if err := r.client.Get(ctx, request.NamespacedName, &policy); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	r.mu.Lock()
	compiled, ok := r.compiled[policy.Name]
	r.mu.Unlock()
	if !ok || compiled.uid != policy.UID || compiled.generation != policy.Generation {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	status := policyStatus(&policy, compiled.policy, metav1.NewTime(r.clock.Now()))
	if equality.Semantic.DeepEqual(&policy.Status, status) {
		return reconcile.Result{}, nil
	}
	r.tell(&policy, status)
	policy.Status = *status
	err := r.client.Status().Update(ctx, &policy)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("writing the status of Policy %s: %w", policy.Name, err)
	}
	return reconcile.Result{}, nil
}

// load has the ledger judge by the Policies that the cache shows.
func (r *Policies) load(ctx context.Context) error {
	var list v1alpha1.PolicyList
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next, changed := map[string]compiledPolicy{}, len(list.Items) != len(r.compiled)
	for i := range list.Items {
		policy := &list.Items[i]
		compiled := r.compiled[policy.Name]
		if is := (identity{policy.UID, policy.Generation}); compiled.identity != is {
			source, err := tree.PolicySource(policy)
			if err != nil {
				return fmt.Errorf("reading Policy %s: %w", policy.Name, err) // nobody is admitted by half of the policies
			}
			compiled.identity = is
			compiled.policy, _ = rules.Compile(source)
			changed = true
		}
		next[policy.Name] = compiled
	}
	if !changed {
		return nil
	}
	r.compiled = next
	judges := make([]ledger.Policy, 0, len(next))
	for _, name := range slices.Sorted(maps.Keys(next)) {
		judges = append(judges, next[name].policy)
	}
	r.ledger.SetPolicies(judges)
	r.sweeper.kick()
	return nil
}

// any tells whether there are any.
func (r *Policies) any() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.compiled) > 0
}

// askByGroup tells whether any of them counts by group.
func (r *Policies) askByGroup() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, compiled := range r.compiled {
		if slices.Contains(dimensionsOf(compiled.policy), "group") {
			return true
		}
	}
	return false
}

// current asks the API server itself whether the Policies are still those that are judged by.
func (r *Policies) current(ctx context.Context) (bool, error) {
	live, err := r.look.ask(ctx)
	if err != nil {
		return false, fmt.Errorf("looking at the policies once more: %w", err)
	}
	if r.same(live) {
		return true, nil
	}
	// The cache may have caught up before the reconciler has.
	if err := r.load(ctx); err != nil {
		return false, err
	}
	return r.same(live), nil
}

func (r *Policies) same(live map[string]identity) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(live) != len(r.compiled) {
		return false
	}
	for name, is := range live {
		if r.compiled[name].identity != is {
			return false
		}
	}
	return true
}

// policyStatus is what compiling a Policy came to.
func policyStatus(policy *v1alpha1.Policy, compiled *rules.Policy, now metav1.Time) *v1alpha1.PolicyStatus {
	status := policy.Status.DeepCopy()
	status.ObservedGeneration, status.Hash, status.Errors = policy.Generation, compiled.Hash(), nil
	status.Dimensions = dimensionsOf(compiled)
	for _, problem := range compiled.Problems() {
		if len(status.Errors) < 64 {
			status.Errors = append(status.Errors, v1alpha1.SourceError{Path: problem.Path, Line: int32(problem.Line), Column: int32(problem.Column), Message: problem.Message}) //nolint:gosec // an expression has no such many lines
		}
	}
	ready, stalled, reason, message := metav1.ConditionTrue, metav1.ConditionFalse, v1alpha1.ReasonCompiled, "Operations are judged by it"
	if len(status.Errors) > 0 {
		first := status.Errors[0]
		ready, stalled, reason = metav1.ConditionFalse, metav1.ConditionTrue, v1alpha1.ReasonPolicyInvalid
		message = fmt.Sprintf("it holds whatever it matches until it is mended: %s: %s", placeOf(&first), first.Message)
	}
	for kind, value := range map[string]metav1.ConditionStatus{v1alpha1.ConditionReady: ready, v1alpha1.ConditionStalled: stalled} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: kind, Status: value, Reason: reason, Message: message,
			ObservedGeneration: policy.Generation, LastTransitionTime: now})
	}
	slices.SortFunc(status.Conditions, func(a, b metav1.Condition) int { return strings.Compare(a.Type, b.Type) })
	return status
}

func placeOf(problem *v1alpha1.SourceError) string {
	if problem.Line == 0 {
		return problem.Path
	}
	return fmt.Sprintf("%s line %d, column %d", problem.Path, problem.Line, problem.Column)
}

// dimensionsOf lists the keys that a policy's questions go by, each once.
func dimensionsOf(compiled *rules.Policy) []string {
	var keys []string
	for _, dimension := range compiled.Dimensions() {
		for key := range strings.SplitSeq(dimension.Keys, ",") {
			if key != "" && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// tell when a Policy breaks, and when it is mended.
func (r *Policies) tell(policy *v1alpha1.Policy, next *v1alpha1.PolicyStatus) {
	was := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(next.Conditions, v1alpha1.ConditionReady)
	switch {
	case is.Status == metav1.ConditionFalse && (was == nil || was.Message != is.Message):
		r.recorder.Event(policy, corev1.EventTypeWarning, is.Reason, is.Message)
	case is.Status == metav1.ConditionTrue && was != nil && was.Status == metav1.ConditionFalse:
		r.recorder.Event(policy, corev1.EventTypeNormal, is.Reason, is.Message)
	}
}
