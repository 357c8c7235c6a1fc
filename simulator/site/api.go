package site

import (
	"context"
	"net/http"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/drivers/dcapi/wire/serve"
	"stargate.io/stargate/simulator"
)

// api answers the DC API.
type api struct{ *Site }

var _ wire.ServerInterface = api{}

// routes gives the site's handler.
func (s *Site) routes() http.Handler {
	calls := wire.HandlerWithOptions(api{s}, wire.StdHTTPServerOptions{ErrorHandlerFunc: serve.Malformed})
	return serve.Authenticated(s.config.Token, calls)
}

// GetHealth implements wire.ServerInterface.
func (a api) GetHealth(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	health := wire.Health{Status: "ok"}
	if broken := a.journal.broken; broken != nil {
		health.Status = broken.Error()
	}
	a.mu.Unlock()
	serve.Reply(w, http.StatusOK, health)
}

// GetCapabilities implements wire.ServerInterface.
func (a api) GetCapabilities(w http.ResponseWriter, _ *http.Request) {
	serve.Reply(w, http.StatusOK, serve.Capabilities())
}

// Repave implements wire.ServerInterface.
func (a api) Repave(w http.ResponseWriter, r *http.Request, params wire.RepaveParams) {
	var body wire.RepaveRequest
	if serve.Decode(w, r, &body) {
		a.start(w, serve.Key(params.IdempotencyKey), serve.OperationOf(body))
	}
}

// StartOperation implements wire.ServerInterface.
func (a api) StartOperation(w http.ResponseWriter, r *http.Request, params wire.StartOperationParams) {
	var body wire.OperationRequest
	if serve.Decode(w, r, &body) {
		a.start(w, serve.Key(params.IdempotencyKey), body)
	}
}

func (a api) start(w http.ResponseWriter, key string, operation wire.OperationRequest) {
	in, refused := readIntent(key, operation)
	if refused != nil {
		serve.Refuse(w, refused)
		return
	}
	j, refused := a.accept(in)
	if refused != nil {
		serve.Refuse(w, refused)
		return
	}
	serve.Reply(w, http.StatusAccepted, wire.JobAccepted{JobID: j.id, RequestID: j.requestID, Status: "accepted"})
}

// accept makes a job, finds the one that the request made before, or says why there is none.
func (a api) accept(in intent) (*entry, *serve.Refusal) {
	if made, refused := a.recall(in); made != nil || refused != nil {
		return made, refused
	}
	// Without the lock: Machines may report on a job while they are asked.
	machines := a.config.Machines.List()
	job := jobOf(newJobID(), in.operation)
	var unfit error
	if checker, can := a.config.Machines.(simulator.Checker); can {
		unfit = checker.Check(job)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	made, refused := a.book.decideStart(in, machines)
	switch {
	case made != nil || refused != nil:
		return made, refused
	case unfit != nil:
		return nil, refusalOf(unfit, job.Server.Name)
	case context.Cause(a.closing) != nil:
		return nil, serve.Unavailable(errClosing)
	}
	if err := a.write(event{Kind: accepted, JobID: job.ID, RequestID: in.key, BodyHash: in.hash, Job: &job}); err != nil {
		return nil, a.unwritten(err)
	}
	made = a.book.jobs[job.ID]
	a.launch(made)
	return made, nil
}

func (a api) recall(in intent) (*entry, *serve.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.book.recall(in)
}

// GetJob implements wire.ServerInterface.
func (a api) GetJob(w http.ResponseWriter, _ *http.Request, id wire.JobID) {
	a.mu.Lock()
	j, known := a.book.jobs[id]
	var view wire.Job
	if known {
		view = j.view()
	}
	a.mu.Unlock()
	if !known {
		serve.Refuse(w, serve.NotFound("job %.80q is not known here", id))
		return
	}
	serve.Reply(w, http.StatusOK, view)
}

// FindJobs implements wire.ServerInterface.
func (a api) FindJobs(w http.ResponseWriter, _ *http.Request, params wire.FindJobsParams) {
	if refused := serve.CheckKey(params.RequestID); refused != nil {
		serve.Refuse(w, refused)
		return
	}
	list := wire.JobList{RequestID: params.RequestID, Jobs: []wire.Job{}}
	a.mu.Lock()
	if j, known := a.book.byRequest[params.RequestID]; known {
		list.Jobs = append(list.Jobs, j.view())
	}
	_, list.Voided = a.book.voided[params.RequestID]
	a.mu.Unlock()
	serve.Reply(w, http.StatusOK, list)
}

// CancelJob implements wire.ServerInterface.
func (a api) CancelJob(w http.ResponseWriter, _ *http.Request, id wire.JobID) {
	a.mu.Lock()
	j := a.book.jobs[id]
	refused := serve.NotFound("job %.80q is not known here", id)
	var view wire.Job
	if j != nil {
		view, refused = a.cancel(j)
	}
	a.mu.Unlock()
	serve.Answer(w, http.StatusAccepted, view, refused)
}

// VoidRequest implements wire.ServerInterface.
func (a api) VoidRequest(w http.ResponseWriter, _ *http.Request, params wire.VoidRequestParams) {
	if refused := serve.CheckKey(params.RequestID); refused != nil {
		serve.Refuse(w, refused)
		return
	}
	a.mu.Lock()
	view, refused := a.void(params.RequestID)
	a.mu.Unlock()
	serve.Answer(w, http.StatusAccepted, view, refused)
}

// void cancels the job that was made from an id, or sees to it that there never is one. The caller holds the lock.
func (a api) void(requestID string) (wire.Job, *serve.Refusal) {
	if j, known := a.book.byRequest[requestID]; known {
		return a.cancel(j)
	}
	if _, known := a.book.voided[requestID]; !known {
		if len(a.book.jobs)+len(a.book.voided) >= maxIDs {
			return wire.Job{}, a.book.checkRoom()
		}
		if err := a.write(event{Kind: voided, RequestID: requestID}); err != nil {
			return wire.Job{}, a.unwritten(err)
		}
	}
	return wire.Job{}, serve.NotFound("request id %q has made no job, and never will: it is voided", requestID)
}

// cancel has a live job given up. The caller holds the lock.
func (a api) cancel(j *entry) (wire.Job, *serve.Refusal) {
	if j.end == nil && !j.cancelled {
		if err := a.write(event{Kind: cancelled, JobID: j.id}); err != nil {
			return wire.Job{}, a.unwritten(err)
		}
		j.giveUp(simulator.ErrCancelled)
	}
	return j.view(), nil
}
