package apply

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/gitsync/tree"
)

// FieldOwner of what a fleet applies.
const FieldOwner = "stargate-fleet"

// What holds where an Applier says nothing else.
const (
	defaultConcurrency = 16
	defaultAttempts    = 6
	defaultPause       = 100 * time.Millisecond
	defaultTimeout     = 30 * time.Second
)

// Applier carries plans out. It may be used from several goroutines, for one plan of a fleet at a time.
type Applier struct {
	// Client that writes.
	Client client.Client
	// Reader that asks the API server itself, not a cache; nil is the Client.
	Reader client.Reader
	// Concurrency of the requests. Default: 16.
	Concurrency int
	// Attempts at one request that failed for a passing reason, and Pause before the second, which
	// doubles and is jittered. Default: 6, from 100ms.
	Attempts int
	Pause    time.Duration
	// Timeout of one attempt. Default: 30s.
	Timeout time.Duration
}

// Stamp says on each object where it came from.
type Stamp struct {
	// Commit, its Author, and SignedBy where a known key signed it.
	Commit, Author, SignedBy string
	// Number of the apply.
	Number int64
	// Released says of ServerGroups what the commit lets happen to them (rollout.Release). It must name
	// each group among the changes: one that is sent without is sent as released for nothing.
	Released map[tree.Key]string
}

// Result of an apply, whether or not all of it could be done.
type Result struct {
	// Created, Updated, Pruned and Unchanged count objects.
	Created, Updated, Pruned, Unchanged int
	// Waiting to be pruned until an Operation ends: those of the plan, and what was found busy since.
	Waiting []Prune
	// Whole: all of the commit is in. What waits to be pruned does not count against it.
	Whole bool
}

// Apply carries the plan out: kind by kind, the objects of a kind at once, the next kind only when all of
// the former is in; then prunes, in reverse. An object that fails lets the others of its kind finish. The
// error, if any, is a *Failure. What was done by then stays, and the same plan made anew does the rest.
func (a *Applier) Apply(ctx context.Context, plan Plan, stamp Stamp) (Result, error) {
	result := Result{Unchanged: plan.Unchanged, Waiting: append([]Prune(nil), plan.Waiting...)}
	if len(plan.Refused) > 0 {
		return result, refusedOf(plan.Refused)
	}
	for _, stage := range stages(plan.Changes, func(c *Change) string { return c.Kind.Kind }) {
		problems := each(ctx, a.concurrency(), stage, func(c *Change) ([]Problem, func()) {
			if problems := a.send(ctx, plan.Fleet, c, stamp); len(problems) > 0 {
				return problems, nil
			}
			return nil, func() { result.applied(c.Action) }
		})
		if len(problems) > 0 {
			return result, &Failure{Problems: problems}
		}
	}
	if problems := a.prune(ctx, plan, &result); len(problems) > 0 {
		return result, &Failure{Problems: problems}
	}
	result.Whole = true
	return result, nil
}

func (r *Result) applied(action Action) {
	if action == Create {
		r.Created++
		return
	}
	r.Updated++
}

func (a *Applier) concurrency() int {
	if a.Concurrency > 0 {
		return a.Concurrency
	}
	return defaultConcurrency
}

func (a *Applier) attempts() uint {
	if a.Attempts > 0 {
		return uint(a.Attempts)
	}
	return defaultAttempts
}

// stages of neighbours of one kind.
func stages[T any](all []T, kind func(*T) string) [][]T {
	var out [][]T
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && kind(&all[to]) == kind(&all[from]) {
			to++
		}
		out = append(out, all[from:to])
		from = to
	}
	return out
}

// each does one thing to all items, so many at once. What is to be noted of one that went well is noted
// one at a time. Once the API server cannot be reached, or the context is done, no more are begun, and
// that is a problem of its own.
func each[T any](ctx context.Context, at int, items []T, do func(*T) (problems []Problem, note func())) []Problem {
	var (
		mu       sync.Mutex
		next     int
		problems []Problem
		down     bool
		wait     sync.WaitGroup
	)
	take := func() *T {
		mu.Lock()
		defer mu.Unlock()
		if down || next == len(items) || ctx.Err() != nil {
			return nil
		}
		next++
		return &items[next-1]
	}
	for range min(at, len(items)) {
		wait.Go(func() {
			for item := take(); item != nil; item = take() {
				failed, note := do(item)
				mu.Lock()
				problems = append(problems, failed...)
				for i := range failed {
					down = down || failed[i].down
				}
				if note != nil {
					note()
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(problems) == 0 && next < len(items) {
		problems = append(problems, stopped(context.Cause(ctx)))
	}
	sortProblems(problems)
	return problems
}
