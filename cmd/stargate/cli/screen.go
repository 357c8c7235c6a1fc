package cli

import (
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// screenPainter draws a table anew: what is under way first, what has ended last.
type screenPainter struct {
	app        *App
	kind       kind
	view       view
	namespaces bool
	screen     *render.Screen
	stale      bool
	drawn      time.Time
}

func (p *screenPainter) changed(client.Object) error { p.stale = true; return nil }
func (p *screenPainter) gone(client.Object) error    { p.stale = true; return nil }

func (p *screenPainter) tick(w *watcher) error {
	now := p.app.now()
	if !w.synced || (!p.stale && now.Sub(p.drawn) < ageEvery) {
		return nil
	}
	p.stale, p.drawn = false, now
	objects := make([]client.Object, 0, len(w.objects))
	for _, object := range w.objects {
		objects = append(objects, object)
	}
	slices.SortFunc(objects, inInterest)
	p.view.now = now
	width, height := p.screen.Size()
	lines := []string{p.summary(objects)}
	// More rows than fit are only counted, so they need not be laid out.
	laid := table(p.kind, objects[:min(len(objects), height)], p.view, p.namespaces)
	lines = append(lines, laid.Lines(p.app.style, width)...)
	if hidden := len(objects) - height; hidden > 0 {
		lines = append(lines, make([]string, hidden)...)
	}
	return p.screen.Draw(lines)
}

// summary counts, so that a fleet larger than the screen can be read.
func (p *screenPainter) summary(objects []client.Object) string {
	text := render.Count(len(objects), p.kind.title)
	counts := map[string]int{}
	for _, object := range objects {
		counts[stateWord(object)]++
	}
	words := make([]string, 0, len(counts))
	for word := range counts {
		if word != "" {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	for _, word := range words {
		text += fmt.Sprintf("   %d %s", counts[word], word)
	}
	return text
}

// stateWord is what a summary counts.
func stateWord(object client.Object) string {
	switch o := object.(type) {
	case *v1alpha1.Operation:
		if heldNow(o) {
			return "held"
		}
		return phaseWord(o)
	case *v1alpha1.Server:
		return render.Or(string(o.Status.State), "untouched")
	case *v1alpha1.ServerGroup:
		return map[rolloutState]string{
			rolloutUnknown: "unknown", rolloutDone: "up to date", rolloutRunning: "rolling out", rolloutHeld: "held",
			rolloutAwaits: "waiting for a person", rolloutStopped: "stopped",
		}[stateOf(o)]
	}
	return ""
}

// inInterest orders rows: running, held, waiting, then what ended last.
func inInterest(a, b client.Object) int {
	one, isOperation := a.(*v1alpha1.Operation)
	other, _ := b.(*v1alpha1.Operation)
	if !isOperation || other == nil {
		return byName(a, b)
	}
	if one, other := interest(one), interest(other); one != other {
		return one - other
	}
	if one.Status.CompletionTime != nil && other.Status.CompletionTime != nil && !one.Status.CompletionTime.Equal(other.Status.CompletionTime) {
		return other.Status.CompletionTime.Compare(one.Status.CompletionTime.Time)
	}
	return byName(a, b)
}

func interest(op *v1alpha1.Operation) int {
	switch {
	case op.Status.Phase.Terminal():
		return 3
	case heldNow(op):
		return 1
	case op.Status.Phase == v1alpha1.OperationRunning:
		return 0
	}
	return 2
}
