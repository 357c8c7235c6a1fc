package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/fleet"
	"stargate.io/stargate/engine/plan"
	"stargate.io/stargate/engine/rollout"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
)

// compare the commit that is in with the cluster: what differs was changed by somebody.
func (r *Fleets) compare(ctx context.Context, object *v1alpha1.Fleet, c *course, commit string) error {
	began := r.clock.Now()
	read, objects := c.read(commit)
	if objects == nil {
		return fmt.Errorf("comparing %s: it was not read", commit)
	}
	w, err := r.weighing(ctx, object, objects)
	if err != nil {
		return err
	}
	changes, err := r.putBack(ctx, w, c, read)
	if err != nil {
		c.failed(object, applyFailure(err, commit, began))
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Compared, c.known.ComparedWith = began, commit
	c.known.Differing = len(changes.Changes) + len(changes.Prunes) + len(changes.Refused)
	c.known.Waiting = namesOf(changes.Waiting)
	if c.known.Differing == 0 {
		c.well(commit)
	}
	return nil
}

// well: what failed to be applied of a commit does not any more. The caller holds the lock.
func (c *course) well(commit string) {
	if failure := c.known.Failure; failure != nil && failure.Applying && failure.Of == commit {
		c.known.Failure = nil
	}
}

// putBack plans what brings a commit that is in back. It prunes no more than the guard lets pass.
func (r *Fleets) putBack(ctx context.Context, w *weighing, c *course, read *fleet.Commit) (apply.Plan, error) {
	changes, err := r.changes(ctx, w, c, w.releases(c, w.fleet.Status.Applies))
	if err != nil {
		return changes, err
	}
	deletes := len(changes.Prunes)
	if !plan.GuardVerdict(&w.fleet.Spec.Guard, w.objects.Guard, 0, deletes, 0, read.Objects+deletes).Allowed {
		changes.Prunes = nil
	}
	return changes, nil
}

func namesOf(waiting []apply.Prune) []string {
	var names []string
	for _, each := range waiting {
		names = append(names, strings.ReplaceAll(each.String(), " ", "/"))
	}
	return names
}

// apply sends what differs, beside the reconciler.
func (r *Fleets) apply(object *v1alpha1.Fleet, c *course, e fleet.Apply) {
	began := r.clock.Now()
	r.runBeside(object.Name, c, func(ctx context.Context) func(*v1alpha1.Fleet) {
		result, err := r.send(ctx, object, c, e)
		ended := r.clock.Now()
		observeStep(object.Name, "apply", ended.Sub(began))
		return func(object *v1alpha1.Fleet) {
			c.applied(e, result, began, ended)
			if err != nil {
				c.fail(object, applyFailure(err, e.Commit, ended))
				return
			}
			c.well(e.Commit)
			if changed := result.Created + result.Updated + result.Pruned; e.PutBack && changed > 0 {
				r.recorder.Event(object, corev1.EventTypeNormal, v1alpha1.ReasonDriftPutBack,
					fmt.Sprintf("%d created, %d changed and %d pruned, as %s says", result.Created, result.Updated, result.Pruned, fleet.Short(object.Status.LastAppliedRevision)))
			}
		}
	})
}

// send makes the plan of what differs now, and carries it out.
func (r *Fleets) send(ctx context.Context, object *v1alpha1.Fleet, c *course, e fleet.Apply) (apply.Result, error) {
	read, objects := c.read(e.Commit)
	if objects == nil {
		return apply.Result{}, fmt.Errorf("applying %s: it was not read", e.Commit)
	}
	w, err := r.weighing(ctx, object, objects)
	if err != nil {
		return apply.Result{}, err
	}
	stamps := w.releases(c, e.Number)
	changes, err := r.changes(ctx, w, c, stamps)
	if e.PutBack && err == nil {
		changes, err = r.putBack(ctx, w, c, read)
	}
	if err != nil {
		return apply.Result{}, err
	}
	released := map[tree.Key]string{}
	for key, stamp := range stamps {
		released[key] = stamp.released
	}
	if !e.PutBack {
		c.release(released)
	}
	applier := &apply.Applier{Client: &noting{Client: r.client, course: c, clock: r.clock}, Reader: r.live}
	return applier.Apply(ctx, changes, apply.Stamp{Commit: read.Commit, Author: read.Author, SignedBy: read.SignedBy, Number: e.Number, Released: released})
}

// applied takes in what became of an apply. The caller holds the lock.
func (c *course) applied(e fleet.Apply, result apply.Result, began, ended time.Time) {
	sent := &fleet.Sent{Commit: e.Commit, Number: e.Number, PutBack: e.PutBack, At: ended,
		Created: result.Created, Changed: result.Updated, Pruned: result.Pruned, Whole: result.Whole}
	if before := c.known.Sent; before != nil && before.Commit == e.Commit && before.Number == e.Number && !e.PutBack && !before.PutBack && !before.Whole {
		sent.Created, sent.Changed, sent.Pruned = sent.Created+before.Created, sent.Changed+before.Changed, sent.Pruned+before.Pruned
	}
	c.known.Sent, c.known.Waiting = sent, namesOf(result.Waiting)
	c.known.Compared, c.known.ComparedWith, c.known.Differing = began, e.Commit, 0
	if !result.Whole {
		c.known.ComparedWith = "" // to be compared again
	}
}

// applyFailure tells what the API server did not take.
func applyFailure(err error, commit string, at time.Time) fleet.Failure {
	failure := fleet.Failure{At: at, Reason: v1alpha1.ReasonApplyFailed, Message: err.Error(), Of: commit, Applying: true}
	if refused, ok := errors.AsType[*apply.Failure](err); ok {
		failure.Permanent = refused.Refused()
		for i := range refused.Problems {
			p := refused.Problems[i].Problem
			failure.Errors = append(failure.Errors, sourceError(&p))
		}
	}
	return failure
}

// release remembers what an apply stamps on groups, in case that somebody wipes it off before the rollout
// has seen it.
func (c *course) release(stamps map[tree.Key]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releases = map[client.ObjectKey]rollout.Release{}
	for key, text := range stamps {
		if release, err := rollout.ParseRelease(text); err == nil {
			c.releases[client.ObjectKey{Namespace: key.Namespace, Name: key.Name}] = release
		}
	}
}

// released gives how many repaves the last apply let a group do.
func (c *course) released(group client.ObjectKey, number int64) int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if release := c.releases[group]; release.Apply == number {
		return release.Repaves
	}
	return 0
}

// noting is a client that remembers what it wrote until the caches show it.
type noting struct {
	client.Client
	course *course
	clock  clock.Clock
}

// Patch implements client.Client.
func (n *noting) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if err := n.Client.Patch(ctx, object, patch, options...); err != nil {
		return err
	}
	n.note(object, false)
	return nil
}

// Delete implements client.Client.
func (n *noting) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	if err := n.Client.Delete(ctx, object, options...); err != nil {
		return err
	}
	n.note(object, true)
	return nil
}

func (n *noting) note(object client.Object, deleted bool) {
	if object.GetObjectKind().GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
		return // no cache holds it
	}
	key := tree.Key{Kind: object.GetObjectKind().GroupVersionKind().GroupKind(), Namespace: object.GetNamespace(), Name: object.GetName()}
	n.course.sent.expect(key, expected{version: version(object), deleted: deleted, at: n.clock.Now()})
}

// expectations are objects that the caches do not show yet as this process wrote them.
type expectations struct {
	mu  sync.Mutex
	all map[tree.Key]expected
}

type expected struct {
	version uint64
	deleted bool
	at      time.Time
}

// patience with a cache: what it does not show by then it never will, since somebody deleted the object
// before it was seen.
const patience = 15 * time.Second

func (e *expectations) expect(key tree.Key, what expected) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = map[tree.Key]expected{}
	}
	e.all[key] = what
}

// seen: the cache shows an object; nil where it shows none.
func (e *expectations) seen(key tree.Key, object client.Object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if want, ok := e.all[key]; ok && want.met(object) {
		delete(e.all, key)
	}
}

func (e expected) met(object client.Object) bool {
	if e.deleted {
		return object == nil || object.GetDeletionTimestamp() != nil
	}
	return object != nil && version(object) >= e.version
}

// open are the keys of what is not seen yet.
func (e *expectations) open() []tree.Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := make([]tree.Key, 0, len(e.all))
	for key := range e.all {
		keys = append(keys, key)
	}
	return keys
}

// caughtUp tells whether the caches show all that this process wrote. The events tell of most of it; what
// came before it was noted is looked up.
func (r *Fleets) caughtUp(ctx context.Context, c *course) bool {
	for _, key := range c.sent.open() {
		object, ok := newOf[key.Kind.Kind]
		if !ok {
			continue
		}
		found := object()
		err := r.client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, found)
		switch {
		case err == nil:
			c.sent.seen(key, found)
		case client.IgnoreNotFound(err) == nil:
			c.sent.gone(key, r.clock.Now())
		}
	}
	return len(c.sent.open()) == 0
}

// gone: the cache shows no such object.
func (e *expectations) gone(key tree.Key, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if want := e.all[key]; want.deleted || now.Sub(want.at) > patience {
		delete(e.all, key)
	}
}

// drop what was expected of an object that is gone.
func (e *expectations) drop(key tree.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.all, key)
}

// newOf each kind that the caches hold.
var newOf = map[string]func() client.Object{
	"Server": func() client.Object { return &v1alpha1.Server{} }, "ServerGroup": func() client.Object { return &v1alpha1.ServerGroup{} },
	"ProvisioningProfile": func() client.Object { return &v1alpha1.ProvisioningProfile{} }, "Datacenter": func() client.Object { return &v1alpha1.Datacenter{} },
	"Policy": func() client.Object { return &v1alpha1.Policy{} }, "Hook": func() client.Object { return &v1alpha1.Hook{} },
}

// group as the cache shows it; without conditions where it does not show yet what this process wrote.
func (c *course) group(cached *v1alpha1.ServerGroup) *v1alpha1.ServerGroup {
	key := tree.Key{Kind: groupKind, Namespace: cached.Namespace, Name: cached.Name}
	if c.sent.isOpen(key, cached) {
		return &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: cached.Namespace, Name: cached.Name}}
	}
	return cached
}

// unseenGroups are those that this process made and the cache does not show at all. They are not ready.
func (c *course) unseenGroups(shown []*v1alpha1.ServerGroup) []*v1alpha1.ServerGroup {
	var unseen []*v1alpha1.ServerGroup
	for _, key := range c.sent.open() {
		is := func(g *v1alpha1.ServerGroup) bool { return g.Namespace == key.Namespace && g.Name == key.Name }
		if key.Kind == groupKind && !c.sent.isGoing(key) && !slices.ContainsFunc(shown, is) {
			unseen = append(unseen, &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
		}
	}
	return unseen
}

// isGoing tells whether an object was deleted.
func (e *expectations) isGoing(key tree.Key) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all[key].deleted
}

var groupKind = v1alpha1.GroupVersion.WithKind("ServerGroup").GroupKind()

func (e *expectations) isOpen(key tree.Key, cached client.Object) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	want, ok := e.all[key]
	return ok && !want.met(cached)
}
