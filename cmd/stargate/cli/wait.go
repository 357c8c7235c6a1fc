package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/follow"
	"stargate.io/stargate/cmd/stargate/render"
)

// heartbeat tells whoever reads a pipe that something is still waited for.
const heartbeat = 10 * time.Second

// waitOptions are the flags of every command that can wait.
type waitOptions struct {
	wait    bool
	timeout time.Duration
}

func (o *waitOptions) bind(flags *pflag.FlagSet) {
	flags.BoolVar(&o.wait, "wait", false, "Wait for the end")
	flags.DurationVar(&o.timeout, "timeout", 0, "How long to wait, with --wait. Default: as long as it takes")
}

func (o *waitOptions) check() error {
	if o.timeout < 0 {
		return usagef("--timeout cannot be below zero")
	}
	if o.timeout > 0 && !o.wait {
		return usagef("--timeout goes with --wait; the time that a job may take is --job-timeout")
	}
	return nil
}

// bound puts the time-out into a context.
func (o *waitOptions) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, o.timeout)
}

// show tells a person how far things are.
type show interface {
	// update is called with each new state.
	update(op *v1alpha1.Operation)
	// gone is called when an Operation was deleted.
	gone(op *v1alpha1.Operation)
	// note says something in between.
	note(text string)
	// beat is called now and then.
	beat()
	// close is called at the end, before anything else is printed.
	close()
}

// waiting is what is known of the Operations that are waited for.
type waiting struct {
	ops  map[string]*v1alpha1.Operation
	gone map[string]bool
	// seen are those that were there when the watch began.
	seen map[string]bool
	// order in which they were asked for.
	order []string
}

func (w *waiting) done() bool {
	for name, op := range w.ops {
		if !w.gone[name] && !op.Status.Phase.Terminal() {
			return false
		}
	}
	return true
}

// await follows Operations to their ends and gives the code to end with.
func (a *App) await(ctx context.Context, c *cluster, ops []*v1alpha1.Operation, options waitOptions) ([]*v1alpha1.Operation, int, error) {
	bounded, cancel := options.bound(ctx)
	defer cancel()
	state := &waiting{ops: map[string]*v1alpha1.Operation{}, gone: map[string]bool{}, seen: map[string]bool{}}
	for _, op := range ops {
		state.ops[op.Name], state.order = op, append(state.order, op.Name)
	}
	view := a.newShow(ops)
	err := a.awaitAll(bounded, c, state, view)
	view.close()
	if err != nil {
		return nil, exitFailed, err
	}
	var ended []*v1alpha1.Operation
	code := exitFine
	for _, name := range state.order {
		ended = append(ended, state.ops[name])
		code = worst(code, a.tellEnd(ctx, c, state.ops[name], state.gone[name], options))
	}
	if ctx.Err() != nil {
		a.note("Interrupted: what was asked for goes on. End it with: %s cancel operation NAME --reason …", a.name)
		code = worst(code, exitFailed)
	}
	return ended, code, nil
}

// awaitAll folds events in until all have ended or ctx has.
func (a *App) awaitAll(ctx context.Context, c *cluster, state *waiting, view show) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	events := followEach(ctx, stop, c, state)
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for !state.done() {
		select {
		case event, open := <-events:
			if !open {
				return giveUp(ctx)
			}
			state.fold(event, view)
		case <-ticker.C:
			view.beat()
			a.missController(state, view)
		}
	}
	stop(nil)
	for range events { // the followers end with their context
	}
	return nil
}

// giveUp tells a person's or a clock's end from an error.
func giveUp(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("waiting: %w", cause)
}

// followEach watches each Operation by name, so that waiting for one of ten thousand costs one.
func followEach(ctx context.Context, stop context.CancelCauseFunc, c *cluster, state *waiting) <-chan waitEvent {
	all := make(chan waitEvent)
	var running sync.WaitGroup
	for _, name := range state.order {
		followed, events := follow.Follow(ctx, c, follow.Selection{
			List: &v1alpha1.OperationList{}, Object: &v1alpha1.Operation{}, Namespace: state.ops[name].Namespace, Name: name,
		})
		running.Go(func() {
			for event := range events {
				select {
				case all <- waitEvent{name: name, Event: event}:
				case <-ctx.Done():
				}
			}
			if ctx.Err() == nil {
				stop(context.Cause(followed))
			}
		})
	}
	go func() {
		running.Wait()
		close(all)
	}()
	return all
}

type waitEvent struct {
	name string
	follow.Event
}

func (w *waiting) fold(event waitEvent, view show) {
	known := w.ops[event.name]
	switch event.Type {
	case follow.Changed:
		op := asOperation(event.Object)
		w.seen[event.name] = true
		if op.UID != known.UID {
			w.gone[event.name] = true
			view.gone(known)
			return
		}
		w.ops[event.name] = op
		view.update(op)
	case follow.Gone:
		// What was deleted after its end has ended all the same.
		if last := asOperation(event.Object); last.UID == known.UID {
			w.ops[event.name] = last
		}
		if !w.ops[event.name].Status.Phase.Terminal() {
			w.gone[event.name] = true
			view.gone(known)
		}
	case follow.Synced:
		// Deleted before the watch began.
		if !w.seen[event.name] {
			w.gone[event.name] = true
			view.gone(known)
		}
	case follow.Lost:
		view.note("connecting again: " + event.Err.Error())
	}
}

// missController says why nothing happens where nobody has taken note of an Operation.
func (a *App) missController(state *waiting, view show) {
	for _, name := range state.order {
		op := state.ops[name]
		if untaken(op) && a.now().Sub(op.CreationTimestamp.Time) > heartbeat {
			view.note("no controller has taken note of " + name + " yet; see: " + a.name + " check")
			return
		}
	}
}

// tellEnd says how one ended, and what to do about it.
func (a *App) tellEnd(ctx context.Context, c *cluster, op *v1alpha1.Operation, gone bool, options waitOptions) int {
	code, message := verdict(op, gone, options)
	if code == exitFine {
		return code
	}
	a.note("%s", render.Clean(message))
	if op.Status.Phase != v1alpha1.OperationFailed {
		return code
	}
	server := &v1alpha1.Server{}
	key := client.ObjectKey{Namespace: op.Namespace, Name: op.Spec.ServerRef.Name}
	if c.Get(context.WithoutCancel(ctx), key, server) == nil && server.Status.Quarantine != nil && server.Status.Quarantine.UID == string(op.UID) {
		a.note("Server %s is quarantined. Once it is mended: %s release server %s -n %s --reason …", server.Name, a.name, server.Name, server.Namespace)
	}
	return code
}

// verdict is how an Operation ended for who waited for it.
func verdict(op *v1alpha1.Operation, gone bool, options waitOptions) (int, string) {
	name := "Operation " + op.Name
	because := ""
	if op.Status.Message != "" {
		because = ": " + op.Status.Message
	}
	switch {
	case gone:
		return exitFailed, name + " was deleted before its end"
	case op.Status.Phase == v1alpha1.OperationSucceeded:
		return exitFine, ""
	case op.Status.Phase == v1alpha1.OperationDenied:
		return exitHeld, name + " was denied" + because
	case op.Status.Phase == v1alpha1.OperationFailed:
		return exitFailed, name + " failed" + because
	case op.Status.Phase == v1alpha1.OperationCancelled:
		return exitFailed, name + " was cancelled" + because
	case heldNow(op):
		return exitHeld, fmt.Sprintf("%s is held after %s%s. It goes on by itself", name, options.timeout, because)
	}
	return exitTimedOut, fmt.Sprintf("%s has not ended after %s%s. It goes on by itself", name, options.timeout, because)
}

// awaitQuietly follows one Operation to its end and leaves the judgement to the caller: nil where it
// is gone.
func (a *App) awaitQuietly(ctx context.Context, c *cluster, op *v1alpha1.Operation, options waitOptions) (*v1alpha1.Operation, bool, error) {
	bounded, cancel := options.bound(ctx)
	defer cancel()
	state := &waiting{ops: map[string]*v1alpha1.Operation{op.Name: op}, gone: map[string]bool{}, seen: map[string]bool{}, order: []string{op.Name}}
	view := a.newShow([]*v1alpha1.Operation{op})
	err := a.awaitAll(bounded, c, state, view)
	view.close()
	if err != nil || state.gone[op.Name] {
		return nil, false, err
	}
	ended := state.ops[op.Name]
	return ended, ended.Status.Phase.Terminal(), nil
}

// phaseWord is a phase within a sentence.
func phaseWord(op *v1alpha1.Operation) string {
	return strings.ToLower(render.Or(string(op.Status.Phase), "created"))
}
