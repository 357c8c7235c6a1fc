package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/follow"
	"stargate.io/stargate/cmd/stargate/render"
)

const (
	// redrawEvery bounds how often a terminal is drawn anew, whatever happens in the fleet.
	redrawEvery = 200 * time.Millisecond
	// ageEvery redraws for the ages alone.
	ageEvery = time.Second
)

func (a *App) watchCommand() *cobra.Command {
	options := &lookOptions{}
	command := &cobra.Command{
		Use:   "watch operations|servers|groups|fleets|datacenters|profiles [NAME...]",
		Short: "See changes as they happen",
		Long: `See changes as they happen: on a terminal a table that is drawn anew, in a pipe one
line per change. With --until-done it ends when all Operations have, and the exit
code says how: 0 all succeeded, 1 one failed or was cancelled, 3 one was denied,
4 the time was up.`,
		Example: a.text(`  stargate watch operations -A
  stargate watch operations -n dc-west --until-done --timeout 1h
  stargate watch servers -n dc-west -o json | jq .status.state`),
		ValidArgsFunction: a.completeTarget(kinds()...),
		RunE: func(cmd *cobra.Command, args []string) error {
			options.watch = true
			found, err := options.target(args)
			if err != nil {
				return err
			}
			return a.watch(cmd.Context(), found, options)
		},
	}
	options.bind(a, command)
	return command
}

// watcher holds what is there and how it is shown.
type watcher struct {
	kind    kind
	names   map[string]bool
	objects map[string]client.Object
	gone    map[string]bool
	synced  bool
	paint   painter
}

// painter shows changes: on a screen, as lines, or to a program.
type painter interface {
	changed(object client.Object) error
	gone(object client.Object) error
	// tick is called now and then.
	tick(w *watcher) error
}

func key(object client.Object) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace() + "/" + object.GetName()
}

func (a *App) watch(ctx context.Context, found target, options *lookOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	ctx, cancel := options.bound(ctx)
	defer cancel()
	w := &watcher{kind: found.kind, names: map[string]bool{}, objects: map[string]client.Object{}, gone: map[string]bool{}, paint: a.painter(found.kind, options)}
	selection := follow.Selection{List: found.kind.list(), Object: found.kind.object(), Namespace: cluster.namespace, Selector: options.selector}
	if options.all {
		selection.Namespace = ""
	}
	if len(found.names) == 1 {
		selection.Name = found.names[0]
	}
	for _, name := range found.names {
		w.names[name] = true
	}
	err = a.watchUntil(ctx, cluster, selection, w, options.untilDone)
	switch {
	case err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
		return err
	case !options.untilDone:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		a.note("After %s not all Operations have ended", options.timeout)
		return exitWith(worst(w.code(), exitTimedOut))
	case err != nil:
		return exitWith(exitFailed)
	}
	return exitWith(w.code())
}

// watchUntil shows changes until ctx ends, or until all have ended where that is wanted.
func (a *App) watchUntil(ctx context.Context, c *cluster, selection follow.Selection, w *watcher, untilDone bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	followed, events := follow.Follow(ctx, c, selection)
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for {
		select {
		case event, open := <-events:
			if !open {
				return context.Cause(followed)
			}
			if err := a.fold(w, event); err != nil {
				return err
			}
		case <-ticker.C:
			if err := w.paint.tick(w); err != nil {
				return err
			}
		}
		if untilDone && w.done() {
			return w.paint.tick(w)
		}
	}
}

func (a *App) fold(w *watcher, event follow.Event) error {
	switch event.Type {
	case follow.Synced:
		w.synced = true
		return w.paintAll()
	case follow.Lost:
		a.note("connecting again: %s", render.Clean(event.Err.Error()))
	case follow.Changed:
		if len(w.names) > 0 && !w.names[event.Object.GetName()] {
			return nil
		}
		w.objects[key(event.Object)] = event.Object
		if !w.synced {
			return nil
		}
		return w.paint.changed(event.Object)
	case follow.Gone:
		if _, known := w.objects[key(event.Object)]; !known {
			return nil
		}
		// One that ended and was cleaned up has ended all the same.
		if w.kind.ended != nil && w.kind.ended(event.Object) {
			w.gone[key(event.Object)] = true
			w.objects[key(event.Object)] = event.Object
			return w.paint.gone(event.Object)
		}
		delete(w.objects, key(event.Object))
		return w.paint.gone(event.Object)
	}
	return nil
}

// paintAll shows what was there at the start, in the order of a list.
func (w *watcher) paintAll() error {
	for _, object := range slices.SortedFunc(maps.Values(w.objects), byName) {
		if err := w.paint.changed(object); err != nil {
			return err
		}
	}
	return nil
}

// done tells whether everything that is watched has ended.
func (w *watcher) done() bool {
	if !w.synced {
		return false
	}
	named := map[string]bool{}
	for _, object := range w.objects {
		if !w.kind.ended(object) {
			return false
		}
		named[object.GetName()] = true
	}
	for name := range w.names {
		if !named[name] {
			return false
		}
	}
	return true
}

// code says how the Operations ended that have.
func (w *watcher) code() int {
	code := exitFine
	for _, object := range w.objects {
		switch asOperation(object).Status.Phase {
		case v1alpha1.OperationFailed, v1alpha1.OperationCancelled:
			code = worst(code, exitFailed)
		case v1alpha1.OperationDenied:
			code = worst(code, exitHeld)
		default:
		}
	}
	return code
}

func (a *App) painter(k kind, options *lookOptions) painter {
	v := view{wide: options.output == render.Wide, style: a.style}
	switch {
	case options.output == render.JSON, options.output == render.YAML, options.output == render.Name:
		return &streamPainter{app: a, kind: k, output: options.output}
	case a.style.Terminal:
		return &screenPainter{app: a, kind: k, view: v, namespaces: options.all && !k.cluster, screen: render.NewScreen(a.out, a.style)}
	}
	return &linePainter{app: a, kind: k, view: v, last: map[string]string{}}
}

// streamPainter writes each state for a program.
type streamPainter struct {
	app    *App
	kind   kind
	output string
}

func (p *streamPainter) changed(object client.Object) error {
	if p.output == render.Name {
		p.app.say("%s", p.kind.fullName(object.GetName()))
		return nil
	}
	shown, _ := object.DeepCopyObject().(client.Object)
	typed(p.kind, shown)
	return render.Stream(p.app.out, p.output, shown)
}

func (p *streamPainter) gone(client.Object) error { return nil }
func (p *streamPainter) tick(*watcher) error      { return nil }

// linePainter writes a line per change that can be seen in a line.
type linePainter struct {
	app  *App
	kind kind
	view view
	last map[string]string
}

func (p *linePainter) changed(object client.Object) error {
	text := p.kind.change(object, p.view)
	if p.last[key(object)] == text {
		return nil
	}
	p.last[key(object)] = text
	return p.line(object, text)
}

func (p *linePainter) gone(object client.Object) error { return p.line(object, "deleted") }

func (p *linePainter) line(object client.Object, text string) error {
	_, err := fmt.Fprintf(p.app.out, "%s %s %s\n", p.app.now().UTC().Format(time.RFC3339), key(object), render.Clean(text))
	return err
}

func (p *linePainter) tick(*watcher) error { return nil }
