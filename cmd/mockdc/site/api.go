package site

import (
	"net/http"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/drivers/dcapi/wire/serve"
)

// api answers the DC API, both versions; routes decides which of its calls a site offers.
type api struct{ *Site }

var _ wire.ServerInterface = api{}

// GetHealth implements wire.ServerInterface.
func (a api) GetHealth(w http.ResponseWriter, _ *http.Request) {
	a.countRead("GET /health")
	serve.Reply(w, http.StatusOK, wire.Health{Status: "ok"})
}

// GetCapabilities implements wire.ServerInterface.
func (a api) GetCapabilities(w http.ResponseWriter, _ *http.Request) {
	a.countRead("GET /capabilities")
	serve.Reply(w, http.StatusOK, serve.Capabilities())
}

// Repave implements wire.ServerInterface.
func (a api) Repave(w http.ResponseWriter, r *http.Request, params wire.RepaveParams) {
	var body wire.RepaveRequest
	if !serve.Decode(w, r, &body) {
		return
	}
	a.start(w, r, intent{key: serve.Key(params.IdempotencyKey), operation: serve.OperationOf(body), v1: a.config.API == V1})
}

// StartOperation implements wire.ServerInterface.
func (a api) StartOperation(w http.ResponseWriter, r *http.Request, params wire.StartOperationParams) {
	var body wire.OperationRequest
	if !serve.Decode(w, r, &body) {
		return
	}
	key := serve.Key(params.IdempotencyKey)
	if refused := serve.CheckKey(key); refused != nil {
		serve.Refuse(w, refused)
		return
	}
	a.start(w, r, intent{key: key, operation: body})
}

func (a api) start(w http.ResponseWriter, r *http.Request, in intent) {
	a.mu.Lock()
	accepted, refused := a.decideStart(r, in)
	a.mu.Unlock()
	serve.Answer(w, http.StatusAccepted, accepted, refused)
}

// GetJob implements wire.ServerInterface.
func (a api) GetJob(w http.ResponseWriter, _ *http.Request, id wire.JobID) {
	a.countRead("GET /jobs/{jobId}")
	view, refused := a.viewJob(id)
	serve.Answer(w, http.StatusOK, view, refused)
}

func (a api) viewJob(id string) (wire.Job, *serve.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.settle(); err != nil {
		return wire.Job{}, serve.Unavailable(err)
	}
	j, known := a.state.jobs[id]
	if !known {
		return wire.Job{}, serve.NotFound("job %q is not known here", id)
	}
	view := a.show(j)
	return a.lieAbout(view, j)
}

// show gives a job as this site's version shows it.
func (a api) show(j *job) wire.Job {
	view := j.view(a.clock.Now())
	if a.config.API == V1 {
		view = wire.Job{JobID: view.JobID, Phase: view.Phase, Message: view.Message}
	}
	return view
}

// FindJobs implements wire.ServerInterface.
func (a api) FindJobs(w http.ResponseWriter, _ *http.Request, params wire.FindJobsParams) {
	a.countRead("GET /jobs")
	a.mu.Lock()
	list, err := wire.JobList{RequestID: params.RequestID, Jobs: []wire.Job{}}, a.settle()
	if j, known := a.state.byRequest[params.RequestID]; known {
		list.Jobs = append(list.Jobs, a.show(j))
	}
	list.Voided = a.state.voided[params.RequestID]
	a.mu.Unlock()
	if err != nil {
		serve.Refuse(w, serve.Unavailable(err))
		return
	}
	serve.Reply(w, http.StatusOK, list)
}

// CancelJob implements wire.ServerInterface.
func (a api) CancelJob(w http.ResponseWriter, r *http.Request, id wire.JobID) {
	a.mu.Lock()
	view, refused := a.decideCancel(r, a.state.jobs[id], "")
	a.mu.Unlock()
	serve.Answer(w, http.StatusAccepted, view, refused)
}

// VoidRequest implements wire.ServerInterface.
func (a api) VoidRequest(w http.ResponseWriter, r *http.Request, params wire.VoidRequestParams) {
	a.mu.Lock()
	view, refused := a.decideCancel(r, a.state.byRequest[params.RequestID], params.RequestID)
	a.mu.Unlock()
	serve.Answer(w, http.StatusAccepted, view, refused)
}
