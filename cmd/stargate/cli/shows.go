package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// newShow gives bars to a person and lines to a log.
func (a *App) newShow(ops []*v1alpha1.Operation) show {
	if a.notes.Terminal {
		return newBars(a.err, a.notes, a.now, ops)
	}
	return &lines{out: a.err, now: a.now, began: a.now(), last: map[string]string{}}
}

// lines writes one line per change, and a heartbeat.
type lines struct {
	out   io.Writer
	now   func() time.Time
	began time.Time
	order []string
	last  map[string]string
	noted string
}

func (l *lines) update(op *v1alpha1.Operation) {
	text := operationChange(op, view{})
	if l.last[op.Name] == text {
		return
	}
	if _, known := l.last[op.Name]; !known {
		l.order = append(l.order, op.Name)
	}
	l.last[op.Name] = text
	l.line(op.Name + ": " + text)
}

func (l *lines) gone(op *v1alpha1.Operation) { l.line(op.Name + ": deleted") }

// note says a thing once, not every ten seconds.
func (l *lines) note(text string) {
	if l.noted != text {
		l.noted = text
		l.line(text)
	}
}

func (l *lines) beat() {
	for _, name := range l.order {
		if !terminalLine(l.last[name]) {
			l.line("still waiting, " + name + ": " + l.last[name])
			return
		}
	}
	l.line("still waiting")
}

// terminalLine tells an ended Operation by its line: its third word is the phase.
func terminalLine(text string) bool {
	words := strings.Fields(text)
	return len(words) > 2 && v1alpha1.OperationPhase(words[2]).Terminal()
}

func (l *lines) line(text string) {
	elapsed := l.now().Sub(l.began).Round(time.Second)
	_, _ = fmt.Fprintf(l.out, "%6s  %s\n", elapsed, render.Clean(text))
}

func (l *lines) close() {}

// bars draws one bar for each Operation.
type bars struct {
	mu       sync.Mutex
	style    render.Style
	progress *mpb.Progress
	bars     map[string]*mpb.Bar
	words    map[string]string
	noted    string
	out      io.Writer
}

func newBars(out io.Writer, style render.Style, now func() time.Time, ops []*v1alpha1.Operation) *bars {
	b := &bars{
		style: style, out: out, bars: map[string]*mpb.Bar{}, words: map[string]string{},
		progress: mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.WithWidth(style.Width)),
	}
	shape := mpb.BarStyle().Lbound("").Rbound("").Filler("█").Tip("").Padding("░")
	for _, op := range ops {
		name, began := op.Name, now()
		b.words[name] = "created"
		ended := ""
		b.bars[name] = b.progress.New(100, shape, mpb.BarWidth(barWidth),
			mpb.PrependDecorators(decor.Name(render.Clean(op.Spec.ServerRef.Name), decor.WCSyncSpaceR), decor.Name(op.Name, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
				if ended == "" {
					elapsed := now().Sub(began).Round(time.Second).String()
					if !s.Completed && !s.Aborted {
						return " " + elapsed + " " + b.word(name)
					}
					ended = elapsed
				}
				return " " + ended + " " + b.word(name)
			})))
	}
	return b
}

func (b *bars) word(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.words[name]
}

func (b *bars) update(op *v1alpha1.Operation) {
	bar := b.bars[op.Name]
	if bar == nil {
		return
	}
	words := strings.TrimSpace(render.Or(string(op.Status.Phase), "created") + " " + strings.TrimSpace(progressOf(op).text))
	if heldNow(op) {
		words = "held: " + op.Status.Message
	}
	b.mu.Lock()
	b.words[op.Name] = b.style.Paint(phaseColour(op), render.Clean(words))
	b.mu.Unlock()
	switch {
	case op.Status.Phase == v1alpha1.OperationSucceeded:
		bar.SetCurrent(100)
	case op.Status.Phase.Terminal():
		bar.Abort(false)
	default:
		bar.SetCurrent(int64(min(op.Status.Progress, 99)))
	}
}

func (b *bars) gone(op *v1alpha1.Operation) {
	b.mu.Lock()
	b.words[op.Name] = "deleted"
	b.mu.Unlock()
	if bar := b.bars[op.Name]; bar != nil {
		bar.Abort(false)
	}
}

// note puts a line above the bars, once.
func (b *bars) note(text string) {
	if b.noted == text {
		return
	}
	b.noted = text
	_, _ = fmt.Fprintln(b.progress, render.Clean(text))
}

func (b *bars) beat() {}

func (b *bars) close() {
	for _, bar := range b.bars {
		if !bar.Completed() {
			bar.Abort(false)
		}
	}
	b.progress.Wait()
}
