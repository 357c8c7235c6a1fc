package controllers

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
)

// Hooks reconciles what is known of each Hook: whether its script compiles. It writes only what changed.
type Hooks struct {
	client   client.Client
	clock    clock.Clock
	book     *hookBook
	recorder record.EventRecorder
}

// Reconcile compiles one Hook and writes down what came of it.
func (r *Hooks) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	hook := &v1alpha1.Hook{}
	if err := r.client.Get(ctx, request.NamespacedName, hook); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.book.forget(request.Name)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	status := hookStatus(hook, r.book.of(hook), metav1.NewTime(r.clock.Now()))
	if equality.Semantic.DeepEqual(status, &hook.Status) {
		return reconcile.Result{}, nil
	}
	next := hook.DeepCopy()
	next.Status = *status
	if err := r.client.Status().Update(ctx, next); err != nil {
		return reconcile.Result{}, fmt.Errorf("writing the status of Hook %s: %w", hook.Name, client.IgnoreNotFound(err))
	}
	if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
		r.recorder.Event(next, "Warning", ready.Reason, ready.Message)
	}
	return reconcile.Result{}, nil
}

// maxSourceErrors bounds what status lists.
const maxSourceErrors = 64

// hookStatus is what is known of a Hook.
func hookStatus(hook *v1alpha1.Hook, compiled compiledHook, now metav1.Time) *v1alpha1.HookStatus {
	status := hook.Status.DeepCopy()
	status.ObservedGeneration, status.Hash, status.Errors = hook.Generation, "", nil
	ready, stalled, reason, message := metav1.ConditionTrue, metav1.ConditionFalse, v1alpha1.ReasonReady, "its script compiles"
	if compiled.script != nil {
		status.Hash = compiled.script.Hash
	}
	for _, problem := range compiled.problems[:min(len(compiled.problems), maxSourceErrors)] {
		status.Errors = append(status.Errors, v1alpha1.SourceError{Path: "spec.script", Message: fmt.Sprintf("%.1024s", strings.ToValidUTF8(problem.Message, "?")),
			Line: int32(problem.Line), Column: int32(problem.Column)}) //nolint:gosec // a script has at most 256 KiB
	}
	if problem := compiled.problem(hook.Name); problem != "" {
		ready, stalled, reason = metav1.ConditionFalse, metav1.ConditionTrue, v1alpha1.ReasonHookInvalid
		message = fmt.Sprintf("%.900s; Operations that it matches are held until the script is corrected or the Hook is deleted", problem)
	}
	for kind, value := range map[string]metav1.ConditionStatus{v1alpha1.ConditionReady: ready, v1alpha1.ConditionStalled: stalled} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: kind, Status: value, Reason: reason, Message: message,
			ObservedGeneration: hook.Generation, LastTransitionTime: now})
	}
	return status
}

// setupHooks lets Operations have hooks, where there is something that runs scripts.
func setupHooks(mgr ctrl.Manager, ops *Operations, options Options) error {
	if options.Hooks.Scripts == nil {
		return nil
	}
	ops.hooks, ops.hookBook = newHookRuns(ops.clock, ops.wake, options.Hooks), newHookBook(options.Hooks.Scripts)
	ops.hookHost, ops.hookLog = options.Hooks.Host, mgr.GetLogger().WithName("hook")
	r := &Hooks{client: mgr.GetClient(), clock: ops.clock, book: ops.hookBook, recorder: options.Recorder}
	if err := ctrl.NewControllerManagedBy(mgr).Named("hook").For(&v1alpha1.Hook{}, onSpec()).Complete(r); err != nil {
		return fmt.Errorf("setting up the Hook reconciler: %w", err)
	}
	return nil
}

// ofHook gives the live Operations that a Hook holds, or that it runs for.
func (r *Operations) ofHook(ctx context.Context, hook client.Object) []reconcile.Request {
	return r.liveWhere(ctx, "", client.MatchingFields{indexHook: hook.GetName()})
}

// hookNames are the hooks that an Operation waits for.
func hookNames(op *v1alpha1.Operation) []string {
	var names []string
	for i := range op.Status.Holds {
		if name, found := strings.CutPrefix(op.Status.Holds[i].Source, "Hook/"); found {
			names = append(names, name)
		}
	}
	for i := range op.Status.Hooks {
		if run := &op.Status.Hooks[i]; !run.Finished() {
			names = append(names, run.Name)
		}
	}
	return names
}
