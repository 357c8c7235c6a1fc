package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"stargate.io/stargate/simulator"
)

// barWidth of a job's bar, in columns.
const barWidth = 24

// progress shows how far jobs are: a bar each on a terminal, a line for each change elsewhere, or lines of JSON.
type progress struct {
	out  io.Writer
	json bool

	mu   sync.Mutex
	bars *mpb.Progress // nil where it is no terminal
	jobs map[string]*shown
}

// shown is what was last shown of a job.
type shown struct {
	bar   *mpb.Bar
	stage simulator.Stage
	said  string
	at    time.Time
	began time.Time
}

func newProgress(out io.Writer, output string) *progress {
	p := &progress{out: out, json: output == "json", jobs: map[string]*shown{}}
	if file, ok := out.(*os.File); ok && !p.json && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh())
	}
	return p
}

// line is a change of a job as -o json has it.
type line struct {
	At      time.Time `json:"at"`
	Job     string    `json:"job"`
	Action  string    `json:"action"`
	Machine string    `json:"machine"`
	Stage   string    `json:"stage"`
	Percent int       `json:"percent"`
	Message string    `json:"message,omitempty"`
}

// lineEvery is how often a job that only counts is told of where there is no bar.
const lineEvery = 10 * time.Second

// tell how far a job is.
func (p *progress) tell(job simulator.Job, at simulator.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.jobs[job.ID]
	if s == nil {
		s = &shown{began: time.Now()}
		p.jobs[job.ID] = s
	}
	switch {
	case p.bars != nil:
		p.draw(s, job, at)
	case at.Stage == simulator.StageDone: // the end is told by ended
	case p.json || s.stage != at.Stage || time.Since(s.at) >= lineEvery:
		p.print(job, at)
		s.at = time.Now()
	}
	s.stage, s.said = at.Stage, at.Message
}

// ended says what became of a job, or that it is left for the next simulator.
func (p *progress) ended(job simulator.Job, err error, left bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := ""
	if s := p.jobs[job.ID]; s != nil {
		if s.bar != nil {
			s.bar.Abort(true) // its last line stays in its place
		}
		took = "in " + time.Since(s.began).Round(time.Second).String()
	}
	delete(p.jobs, job.ID)
	switch {
	case left:
		p.print(job, simulator.Progress{Stage: "left", Message: "it goes on when the simulator is started again"})
	case err != nil:
		p.print(job, simulator.Progress{Stage: "failed", Message: err.Error()})
	default:
		p.print(job, simulator.Progress{Stage: simulator.StageDone, Percent: 100, Message: took})
	}
}

func (p *progress) draw(s *shown, job simulator.Job, at simulator.Progress) {
	if s.bar == nil {
		s.bar = p.bars.New(100, mpb.BarStyle().Lbound("").Rbound("").Filler("█").Tip("").Padding("░"), mpb.BarWidth(barWidth),
			mpb.PrependDecorators(decor.Name(clean(job.Server.Name), decor.WCSyncSpaceR), decor.Name(string(job.Action), decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), decor.Any(func(decor.Statistics) string { return p.words(job.ID) })))
	}
	s.bar.SetCurrent(int64(min(at.Percent, 99))) // the end is told by ended
}

// words beside a bar.
func (p *progress) words(id string) string {
	if !p.mu.TryLock() {
		return "" // the next drawing has them
	}
	defer p.mu.Unlock()
	if s := p.jobs[id]; s != nil {
		return " " + clean(string(s.stage)+" "+s.said)
	}
	return ""
}

func (p *progress) print(job simulator.Job, at simulator.Progress) {
	if p.json {
		// A reader that is gone is not told.
		_ = json.NewEncoder(p.out).Encode(line{time.Now().UTC(), job.ID, string(job.Action), job.Server.Name, string(at.Stage), at.Percent, at.Message})
		return
	}
	text := fmt.Sprintf("%s  %s  %s  %3d%%  %s\n", job.Server.Name, job.Action, at.Stage, at.Percent, at.Message)
	if p.bars != nil {
		_, _ = p.bars.Write([]byte(clean(text))) // above the bars
		return
	}
	_, _ = io.WriteString(p.out, clean(text))
}

// toldMachines are machines whose jobs are shown.
type toldMachines struct {
	simulator.Machines
	checker  simulator.Checker
	progress *progress
}

// told gives the machines for the faces to do jobs on.
func (p *parts) told() simulator.Machines {
	return toldMachines{Machines: p.machines, checker: p.machines, progress: p.progress}
}

// Check implements simulator.Checker.
func (t toldMachines) Check(job simulator.Job) error { return t.checker.Check(job) }

// Do implements simulator.Machines.
func (t toldMachines) Do(ctx context.Context, job simulator.Job, report func(simulator.Progress)) (simulator.Result, error) {
	result, err := t.Machines.Do(ctx, job, func(at simulator.Progress) {
		t.progress.tell(job, at)
		if report != nil {
			report(at)
		}
	})
	var refused *simulator.Refused
	if errors.Is(err, simulator.ErrUnkept) || errors.As(err, &refused) && refused.Reason == simulator.ReasonServerBusy {
		return result, err // it waits, and is done again
	}
	t.progress.ended(job, err, ctx.Err() != nil && !errors.Is(context.Cause(ctx), simulator.ErrCancelled))
	return result, err
}
