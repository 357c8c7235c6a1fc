package site

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
)

// remembered is how many jobs that ended are kept with what was said of them. Of the others their ids, content hash and
// phase are kept for ever, since an id that was forgotten could make a second job.
const remembered = 1000

// book is what the journal adds up to. Only apply changes it; nothing in it is stored but the journal.
type book struct {
	jobs      map[string]*entry // by job id
	order     []*entry          // as they were accepted
	byRequest map[string]*entry
	voided    map[string]time.Time
	live      map[string]*entry // by server
}

// entry is one job.
type entry struct {
	id, requestID, bodyHash string
	server                  string
	action                  simulator.Action
	at                      time.Time
	// job is what there is to do; nil once it has ended: its documents may be large, and secret.
	job       *simulator.Job
	began     bool
	cancelled bool
	end       *outcome

	// What is known of its run in this process, which the journal does not tell.
	progress simulator.Progress
	waits    string // for what; empty where it does not
	giveUp   context.CancelCauseFunc
}

func newBook() *book {
	return &book{
		jobs: map[string]*entry{}, byRequest: map[string]*entry{}, voided: map[string]time.Time{}, live: map[string]*entry{},
	}
}

// apply folds one event in. It serves what happens now and what is read back from disk, so that both give the same.
// Errors: the event does not follow from those before it; then nothing has changed.
func (b *book) apply(e event) error {
	if e.Kind == voided {
		b.voided[e.RequestID] = e.At
		return nil
	}
	if e.Kind == accepted {
		return b.accept(e)
	}
	j, known := b.jobs[e.JobID]
	switch {
	case !known:
		return fmt.Errorf("%s: job %q was never accepted", e.Kind, e.JobID)
	case j.end != nil:
		return fmt.Errorf("%s: job %q had ended", e.Kind, e.JobID)
	}
	switch e.Kind {
	case began:
		j.began = true
	case cancelled:
		j.cancelled = true
	case ended:
		if e.Outcome == nil {
			return fmt.Errorf("ended: job %q has no outcome", e.JobID)
		}
		j.end, j.job, j.giveUp = e.Outcome, nil, nil
		delete(b.live, j.server)
	default:
		return fmt.Errorf("an event of kind %q is not known", e.Kind)
	}
	return nil
}

func (b *book) accept(e event) error {
	if e.Job == nil || e.JobID == "" || e.RequestID == "" {
		return fmt.Errorf("accepted: job %q has no content or no request", e.JobID)
	}
	if b.jobs[e.JobID] != nil || b.byRequest[e.RequestID] != nil || b.live[e.Job.Server.Name] != nil {
		return fmt.Errorf("accepted: job %q is there already, or another of its request or server", e.JobID)
	}
	j := &entry{
		id: e.JobID, requestID: e.RequestID, bodyHash: e.BodyHash,
		server: e.Job.Server.Name, action: e.Job.Action, at: e.At, job: e.Job,
	}
	b.jobs[j.id], b.byRequest[j.requestID], b.live[j.server] = j, j, j
	b.order = append(b.order, j)
	return nil
}

// events gives the shortest journal that adds up to this book, but for what was said of jobs that ended long ago.
func (b *book) events() []event {
	var events []event
	for i, j := range b.order {
		events = append(events, j.events(i < len(b.order)-remembered)...)
	}
	for _, id := range b.tombstones() {
		events = append(events, event{Kind: voided, At: b.voided[id], RequestID: id})
	}
	return events
}

func (b *book) tombstones() []string {
	ids := make([]string, 0, len(b.voided))
	for id := range b.voided {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// events of one job; an old one is told in the least words.
func (j *entry) events(old bool) []event {
	job := j.job
	if job == nil { // ended: who it was for is enough
		job = &simulator.Job{ID: j.id, Action: j.action, Server: simulator.Server{Name: j.server}}
	}
	events := []event{{Kind: accepted, At: j.at, JobID: j.id, RequestID: j.requestID, BodyHash: j.bodyHash, Job: job}}
	if j.began && j.end == nil {
		events = append(events, event{Kind: began, At: j.at, JobID: j.id})
	}
	if j.cancelled && j.end == nil {
		events = append(events, event{Kind: cancelled, At: j.at, JobID: j.id})
	}
	if end := j.end; end != nil {
		if old {
			end = &outcome{Phase: end.Phase, Percent: end.Percent, Untouched: end.Untouched, Unchanged: end.Unchanged}
		}
		events = append(events, event{Kind: ended, At: j.at, JobID: j.id, Outcome: end})
	}
	return events
}

// view gives the job as the DC API shows it.
func (j *entry) view() wire.Job {
	view := wire.Job{JobID: j.id, RequestID: j.requestID, Phase: wire.PhasePending, Message: "waiting to begin"}
	if end := j.end; end != nil {
		view.Phase, view.Stage, view.Percent, view.Message = end.Phase, end.Stage, end.Percent, end.Message
		view.Untouched, view.Unchanged, view.Facts = end.Untouched, end.Unchanged, end.Facts
		if view.Message == "" {
			view.Message = fmt.Sprintf("%s of %s: %s", j.action, j.server, end.Phase)
		}
		return view
	}
	if j.began {
		view.Phase, view.Stage = wire.PhaseRunning, string(j.progress.Stage)
		view.Percent, view.Message = percent(j.progress.Percent, 99), cmp.Or(j.progress.Message, string(j.progress.Stage))
		if j.progress == (simulator.Progress{}) {
			view.Message = "going on after a restart of the simulator"
		}
	}
	if j.waits != "" {
		view.Message = "waiting: " + j.waits
	}
	if j.cancelled {
		view.Message = "being cancelled: " + view.Message
	}
	view.Message = cut(view.Message)
	return view
}

// maxMessage bounds what is said of a job.
const maxMessage = 1024

func cut(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "")
}

func percent(value, most int) int32 {
	return int32(min(max(value, 0), most)) //nolint:gosec // 0 to 100
}
