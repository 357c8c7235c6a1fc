package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

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
	"stargate.io/stargate/engine/fleet"
	"stargate.io/stargate/gitsync/tree"
)

// Fleets reconciles Fleets: what a repository says is brought into the cluster.
//
// To delete a Fleet leaves all that it brought where it is, as to delete a Deployment's manifest from a
// folder leaves the Deployment: nothing is pruned, no machine is touched, and its groups go on alone,
// under the guard that holds where there is no Fleet.
type Fleets struct {
	client   client.Client
	live     client.Reader
	clock    clock.Clock
	recorder record.EventRecorder
	scope    Scope
	sites    *sites
	// namespace is the controller's own: Secrets of fleets are read there and nowhere else.
	namespace string
	// names of the Fleets that are worked; nil for all.
	names   []string
	schemas *tree.Schemas
	// background ends what is under way when it ends.
	background context.Context
	fleets     *newest[*v1alpha1.Fleet]

	mu      sync.Mutex
	courses map[string]*course
	queue   workqueue.TypedRateLimitingInterface[reconcile.Request]
	working sync.WaitGroup
	// reading bounds how many commits are read at once: each takes memory.
	reading chan struct{}
}

// Reconcile brings one Fleet as far as it can go now. What takes long is begun here and ends elsewhere,
// so that a slow repository keeps no worker.
func (r *Fleets) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if !r.works(request.Name) {
		return reconcile.Result{}, nil
	}
	object := &v1alpha1.Fleet{}
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.Name)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	object = r.fleets.of(object)
	c := r.courseOf(object)
	c.fold(object)
	for range maxEffects {
		snapshot, err := r.snapshot(ctx, object, c)
		if err != nil {
			return reconcile.Result{}, err
		}
		effect := fleet.Decide(snapshot)
		if rest, ok := effect.(fleet.Rest); ok {
			return r.until(rest.Until), nil
		}
		if needsCaches(effect) && !r.caughtUp(ctx, c) {
			return reconcile.Result{RequeueAfter: cacheDelay}, nil
		}
		if object, err = r.carryOut(ctx, object, c, effect); err != nil {
			return r.setBack(object, err)
		}
	}
	return reconcile.Result{}, fmt.Errorf("fleet %s: no end after %d effects", request.Name, maxEffects)
}

// cacheDelay is how soon it is looked again whether the caches show what was written.
const cacheDelay = 20 * time.Millisecond

// needsCaches tells whether an effect compares with what the caches show: by what they do not show yet,
// things would be sent twice.
func needsCaches(effect fleet.Effect) bool {
	switch effect.(type) {
	case fleet.Weigh, fleet.Compare, fleet.Apply:
		return true
	}
	return false
}

// works tells whether this process looks after a Fleet.
func (r *Fleets) works(name string) bool { return len(r.names) == 0 || slices.Contains(r.names, name) }

func (r *Fleets) snapshot(ctx context.Context, object *v1alpha1.Fleet, c *course) (fleet.Snapshot, error) {
	var list v1alpha1.ServerGroupList
	if err := r.client.List(ctx, &list, client.MatchingFields{indexFleet: object.Name}); err != nil {
		return fleet.Snapshot{}, fmt.Errorf("listing the groups of fleet %s: %w", object.Name, err)
	}
	groups := make([]*v1alpha1.ServerGroup, 0, len(list.Items))
	for i := range list.Items {
		groups = append(groups, c.group(&list.Items[i]))
	}
	groups = append(groups, c.unseenGroups(groups)...)
	return fleet.Snapshot{Now: r.clock.Now(), Fleet: object, Groups: groups, Known: c.snapshot()}, nil
}

// carryOut does one thing; it gives the Fleet as it is then.
func (r *Fleets) carryOut(ctx context.Context, object *v1alpha1.Fleet, c *course, effect fleet.Effect) (*v1alpha1.Fleet, error) {
	switch e := effect.(type) {
	case fleet.Resolve:
		r.resolve(object, c, e.For)
	case fleet.Fetch:
		r.fetch(object, c, e)
	case fleet.Weigh:
		return object, r.weigh(ctx, object, c, e.Commit)
	case fleet.Compare:
		return object, r.compare(ctx, object, c, e.Commit)
	case fleet.Apply:
		r.apply(object, c, e)
	case fleet.WriteStatus:
		return r.write(ctx, object, c, e)
	}
	return object, nil
}

func (r *Fleets) write(ctx context.Context, object *v1alpha1.Fleet, c *course, e fleet.WriteStatus) (*v1alpha1.Fleet, error) {
	next := object.DeepCopy()
	next.Status = e.Status
	if err := r.client.Status().Update(ctx, next); err != nil {
		return object, err
	}
	r.fleets.wrote(next)
	ctrl.LoggerFrom(ctx).V(1).Info("wrote status", "step", e.Step)
	for _, event := range e.Events {
		kind := corev1.EventTypeNormal
		if event.Warning {
			kind = corev1.EventTypeWarning
		}
		r.recorder.Event(next, kind, event.Reason, event.Message)
	}
	observeFleet(object, next)
	c.keep(next)
	return next, nil
}

func (r *Fleets) setBack(object *v1alpha1.Fleet, err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		r.fleets.forget(object.UID)
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	return reconcile.Result{}, err
}

func (r *Fleets) until(until time.Time) reconcile.Result {
	if until.IsZero() {
		return reconcile.Result{}
	}
	return reconcile.Result{RequeueAfter: max(until.Sub(r.clock.Now()), time.Millisecond)}
}

// courseOf gives what is known of a Fleet; nothing where it was made anew under its name.
func (r *Fleets) courseOf(object *v1alpha1.Fleet) *course {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.courses[object.Name]
	if c == nil || c.uid != object.UID {
		if c != nil {
			c.end()
		}
		c = newCourse(r.background, object)
		r.courses[object.Name] = c
	}
	c.follow(object)
	return c
}

func (r *Fleets) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.courses[name]; c != nil {
		c.end()
		r.fleets.forget(c.uid)
		delete(r.courses, name)
	}
	forgetFleet(name)
}

// Notice has a Fleet looked at now, since somebody said that its repository changed. It tells whether
// this process works that Fleet.
func (r *Fleets) Notice(name string) bool {
	r.mu.Lock()
	c := r.courses[name]
	r.mu.Unlock()
	if c == nil {
		return false
	}
	c.notice(r.clock.Now())
	r.wake(name, 0)
	return true
}

// wake puts a Fleet into the queue, after a while.
func (r *Fleets) wake(name string, after time.Duration) {
	r.mu.Lock()
	queue := r.queue
	r.mu.Unlock()
	if queue != nil {
		queue.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}, after)
	}
}

// drain waits for the stop, and for what is under way to hear of it.
func (r *Fleets) drain(ctx context.Context) error {
	<-ctx.Done()
	r.mu.Lock()
	for _, c := range r.courses {
		c.end()
	}
	r.mu.Unlock()
	r.working.Wait()
	return nil
}
