package controllers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/admission"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/hooks"
)

// maxEffects bounds one pass; a decision that does not come to an end is a bug, and must not spin.
const maxEffects = 24

// Operations reconciles Operations.
type Operations struct {
	client client.Client
	live   client.Reader
	clock  clock.Clock
	gate   Gate
	sites  *sites
	calls  *calls
	// hooks runs hooks, and hookBook has their scripts; nil where none are run.
	hooks    *hookRuns
	hookBook *hookBook
	hookHost func(*v1alpha1.Server, *v1alpha1.SecretKeyReference) hooks.Host
	hookLog  logr.Logger
	recorder record.EventRecorder
	rebuild  *rebuild
	roster   *roster
	census   *census
	policies *Policies
	// refused tells whether an intent was refused because another process leads.
	refused func(error) bool
	vouches func() admission.Vouches
	scope   Scope
	process string
	// background outlives a Reconcile: calls to sites are made under it.
	background context.Context

	// leading tells whether this process still leads; stopping is set once it ends while it does.
	leading  func() bool
	stopping atomic.Bool

	operations *newest[*v1alpha1.Operation]
	servers    *newest[*v1alpha1.Server]

	mu    sync.Mutex
	known map[types.NamespacedName]seen
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// seen is what this process knows of an Operation that it has looked at.
type seen struct {
	uid types.UID
	// server that was the first to be seen under the name that the Operation gives; empty for none.
	server types.UID
	// counted: it was counted, and the cache has not shown it yet.
	counted bool
}

// pass is one Operation's way through a Reconcile.
type pass struct {
	operation.Snapshot
	key    types.NamespacedName
	driver drivers.Driver
	limit  int
	// datacenter that the driver was made from.
	datacenter struct {
		uid        types.UID
		generation int64
	}
	// intended: the open attempt's intent was written in this very pass.
	intended bool
	// hooks beside Snapshot.Hooks. They are the cache's own, and only read.
	hooks []*v1alpha1.Hook
}

// Reconcile brings one Operation as far as it can go now.
func (r *Operations) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if !r.scope.Has(request.Namespace) {
		return reconcile.Result{}, nil
	}
	if err := r.count(ctx, request.Namespace); err != nil {
		return reconcile.Result{}, err
	}
	p, err := r.gather(ctx, request.NamespacedName)
	if err != nil || p == nil {
		return reconcile.Result{}, err
	}
	p.Stopping = r.stopping.Load()
	for range maxEffects {
		effect := operation.Decide(p.Snapshot)
		if wait, ok := effect.(operation.Wait); ok {
			return r.rest(p, wait), nil
		}
		done, err := r.carryOut(ctx, p, effect)
		if err != nil {
			return r.setBack(ctx, p, effect, err)
		}
		if done {
			r.folded(p)
			return reconcile.Result{}, nil
		}
		p.Now = r.clock.Now()
	}
	return reconcile.Result{}, fmt.Errorf("operation %s: no end after %d effects, the last in stage %s", p.key, maxEffects, operation.StageOf(&p.Operation.Status))
}

// count makes sure that what is under way is counted. Where a namespace was out of the scope, what
// this process remembers of it is from before that, and somebody else may have worked there since.
func (r *Operations) count(ctx context.Context, namespace string) error {
	lost, again, err := r.rebuild.once(ctx, namespace)
	if err != nil {
		return err
	}
	defer r.expect(r.rebuild.take())
	if !again {
		return nil
	}
	for key, uid := range r.names() {
		if key.Namespace == namespace {
			r.calls.distrust(uid)
			r.operations.forget(uid)
			r.mu.Lock()
			delete(r.known, key)
			r.mu.Unlock()
		}
	}
	for _, key := range lost {
		_, name, _ := splitKey(key)
		r.wake(types.NamespacedName{Namespace: namespace, Name: name})
	}
	return nil
}

// rest waits, and gives back what an Operation that has ended or waits for something else had.
func (r *Operations) rest(p *pass, wait operation.Wait) reconcile.Result {
	r.folded(p)
	finished := p.Operation.Status.Phase.Terminal()
	if finished || wait.FreeSlot {
		r.gate.Release(p.Operation.UID)
	}
	if finished {
		r.forgetCalls(p.Operation.UID)
	}
	if wait.Until.IsZero() {
		return reconcile.Result{}
	}
	return reconcile.Result{RequeueAfter: max(wait.Until.Sub(r.clock.Now()), time.Millisecond)}
}

// setBack handles a write that did not go in. A conflict or an object that is gone means that the
// snapshot was out of date: what the cache brings next is decided on anew. Only the object that was
// out of date is forgotten: without what was written to the other, that one would be too.
func (r *Operations) setBack(ctx context.Context, p *pass, effect operation.Effect, err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		if _, ok := effect.(operation.WriteServer); ok {
			r.servers.forget(p.Server.UID)
		} else {
			r.operations.forget(p.Operation.UID)
		}
		ctrl.LoggerFrom(ctx).V(1).Info("decided on something old", "effect", fmt.Sprintf("%T", effect), "error", err.Error())
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	return reconcile.Result{}, err
}

// expect looks at what was counted, of which the cache may never show anything: where it goes before
// the cache has caught up, and the watch is dropped over it, no event ever comes to give its place back.
func (r *Operations) expect(counted []ledger.Ask) {
	for _, ask := range counted {
		namespace, name, _ := splitKey(ask.Key)
		key := types.NamespacedName{Namespace: namespace, Name: name}
		r.mu.Lock()
		if _, ok := r.known[key]; !ok {
			r.known[key] = seen{uid: types.UID(ask.UID), counted: true}
		}
		r.mu.Unlock()
		r.wake(key)
	}
}

// missing handles an Operation that the cache does not show: it is gone, unless the cache is behind.
func (r *Operations) missing(ctx context.Context, key types.NamespacedName) error {
	r.mu.Lock()
	known := r.known[key]
	r.mu.Unlock()
	if known.counted {
		var op v1alpha1.Operation
		err := r.live.Get(ctx, key, &op)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Operation %s: %w", key, err)
		}
		if err == nil && op.UID == known.uid {
			return fmt.Errorf("operation %s: the cache does not show it yet", key)
		}
	}
	r.gone(key)
	return nil
}

// gone gives back what a deleted Operation had.
func (r *Operations) gone(key types.NamespacedName) {
	r.mu.Lock()
	before, ok := r.known[key]
	delete(r.known, key)
	r.mu.Unlock()
	if ok {
		r.gate.Release(before.uid)
		r.forgetCalls(before.uid)
		r.operations.forget(before.uid)
	}
}

// remember the UID behind a name. Another UID than before means that the object was made anew.
func (r *Operations) remember(key types.NamespacedName, uid types.UID) {
	r.mu.Lock()
	before, ok := r.known[key]
	if before.uid != uid || before.counted {
		r.known[key] = seen{uid: uid}
	}
	r.mu.Unlock()
	if ok && before.uid != uid {
		r.gate.Release(before.uid)
		r.forgetCalls(before.uid)
	}
}

// folded drops replies that were written down or need no writing.
func (r *Operations) folded(p *pass) {
	r.calls.folded(p.Operation.UID, p.Reply)
	if r.hooks != nil {
		r.hooks.folded(p.Operation.UID, p.HookReply)
	}
}

// forgetCalls drops everything of an Operation that has ended.
func (r *Operations) forgetCalls(uid types.UID) {
	r.calls.forget(uid)
	if r.hooks != nil {
		r.hooks.forget(uid)
	}
}

// firstSeen gives the UID of the first Server that was seen beside an Operation, which is this one
// where there was none yet.
func (r *Operations) firstSeen(key types.NamespacedName, server *v1alpha1.Server) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.known[key]
	if known.server == "" && server != nil {
		known.server = server.UID
		r.known[key] = known
	}
	return string(known.server)
}

// names of the Operations that this process has seen.
func (r *Operations) names() map[types.NamespacedName]types.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	uids := make(map[types.NamespacedName]types.UID, len(r.known))
	for key, known := range r.known {
		uids[key] = known.uid
	}
	return uids
}

// wake puts an Operation into the queue.
func (r *Operations) wake(key types.NamespacedName) {
	r.mu.Lock()
	queue := r.queue
	r.mu.Unlock()
	if queue != nil {
		queue.Add(reconcile.Request{NamespacedName: key})
	}
}

func (r *Operations) tell(op *v1alpha1.Operation, event *operation.Event) {
	if event == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if event.Warning {
		kind = corev1.EventTypeWarning
	}
	r.recorder.Event(op, kind, event.Reason, event.Message)
}
