package controllers

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/fleet"
	"stargate.io/stargate/engine/rollout"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/gitsync/tree"
)

// course is what this process knows of one Fleet. All of it can be learned again.
type course struct {
	uid types.UID
	ctx context.Context
	end context.CancelFunc

	mu sync.Mutex
	// known is changed by the reconciler only, but for Noticed and Touched.
	known fleet.Known
	// of is what in the spec the commits were read for.
	of string
	// trees of the commits that were read.
	trees map[string]*tree.Tree
	// head as the source gave it.
	head source.Head
	// answer of what was under way, not folded in yet.
	answer func(*v1alpha1.Fleet)
	// releases that the last apply stamped on groups.
	releases map[types.NamespacedName]rollout.Release

	// memo of comparisons, and sent: what was written and the caches do not show yet. Both have locks of
	// their own.
	memo apply.Memo
	sent expectations
}

func newCourse(background context.Context, object *v1alpha1.Fleet) *course {
	c := &course{uid: object.UID, trees: map[string]*tree.Tree{}}
	c.known.Commits, c.known.Forecasts = map[string]*fleet.Commit{}, map[string]*fleet.Forecast{}
	c.ctx, c.end = context.WithCancel(background)
	return c
}

// follow forgets what was read for another spec.
func (c *course) follow(object *v1alpha1.Fleet) {
	spec := &object.Spec
	of, err := json.Marshal([]any{spec.URL, spec.Ref, spec.Path, spec.AllowKinds, spec.Verify, spec.Prune})
	if err != nil || string(of) == c.of {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of != "" {
		c.known.Head, c.known.Failure = nil, nil
		clear(c.known.Commits)
		clear(c.known.Forecasts)
		clear(c.trees)
		c.known.ComparedWith = ""
	}
	c.of = string(of)
}

// begin marks that something is under way. Its answer comes by done.
func (c *course) begin(now time.Time) (of string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Busy, c.known.BusySince = true, now
	return c.of
}

// done leaves the answer for the next pass.
func (c *course) done(answer func(*v1alpha1.Fleet)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

// fold takes in the answer of what was under way. One for another spec is dropped with what it says
// of the repository; that it was asked for is kept, so that it is asked for again.
func (c *course) fold(object *v1alpha1.Fleet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer == nil {
		return
	}
	answer := c.answer
	c.answer, c.known.Busy = nil, false
	answer(object)
}

// fail remembers a failure. The caller holds the lock.
func (c *course) fail(object *v1alpha1.Fleet, failure fleet.Failure) {
	failure.Number = object.Status.Failures + 1
	c.known.Failure = &failure
}

// failed remembers a failure.
func (c *course) failed(object *v1alpha1.Fleet, failure fleet.Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(object, failure)
}

// waits tells whether something that left the repository stays for an Operation.
func (c *course) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known.Waiting) > 0
}

// snapshot of what is known.
func (c *course) snapshot() fleet.Known {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.known
	known.Commits, known.Forecasts = maps.Clone(known.Commits), maps.Clone(known.Forecasts)
	return known
}

func (c *course) notice(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Noticed = now
}

// touch tells whether nothing was touched since objects were last compared: only the first is worth a
// look at the clock.
func (c *course) touch(now time.Time) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known.Touched.After(c.known.Compared) {
		return false
	}
	c.known.Touched = now
	return true
}

// keep drops the commits that nobody asks for any more.
func (c *course) keep(object *v1alpha1.Fleet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := map[string]bool{fleet.CommitOf(object.Status.LastAppliedRevision): true}
	if c.known.Head != nil {
		wanted[c.known.Head.Commit] = true
	}
	if object.Status.Applying != nil {
		wanted[object.Status.Applying.Commit] = true
	}
	for commit := range c.known.Commits {
		if !wanted[commit] {
			delete(c.known.Commits, commit)
			delete(c.trees, commit)
		}
	}
}

// read gives a commit with its tree.
func (c *course) read(commit string) (*fleet.Commit, *tree.Tree) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.Commits[commit], c.trees[commit]
}
