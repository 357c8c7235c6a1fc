package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// maxRequest bounds a request's body; cloud-init documents are in it.
const maxRequest = 8 << 20

// api answers the DC API, both versions; routes decides which of its calls a site offers.
type api struct{ *Site }

var _ wire.ServerInterface = api{}

// GetHealth implements wire.ServerInterface.
func (a api) GetHealth(w http.ResponseWriter, _ *http.Request) {
	a.countRead("GET /health")
	reply(w, http.StatusOK, wire.Health{Status: "ok"})
}

// GetCapabilities implements wire.ServerInterface.
func (a api) GetCapabilities(w http.ResponseWriter, _ *http.Request) {
	a.countRead("GET /capabilities")
	reply(w, http.StatusOK, a.capabilities())
}

// Repave implements wire.ServerInterface.
func (a api) Repave(w http.ResponseWriter, r *http.Request, params wire.RepaveParams) {
	var body wire.RepaveRequest
	if !decode(w, r, &body) {
		return
	}
	operation := wire.OperationRequest{
		Action: wire.ActionRepave,
		Server: wire.Server{ServerID: body.ServerID, MAC: body.MAC, IPv4: body.IPv4},
		Image:  &wire.Image{OSVersion: body.OSVersion},
	}
	a.start(w, r, intent{key: keyOf(params.IdempotencyKey), operation: operation, v1: a.config.API == V1})
}

// StartOperation implements wire.ServerInterface.
func (a api) StartOperation(w http.ResponseWriter, r *http.Request, params wire.StartOperationParams) {
	var body wire.OperationRequest
	if !decode(w, r, &body) {
		return
	}
	key := keyOf(params.IdempotencyKey)
	if key == "" {
		refuse(w, refusal{http.StatusBadRequest, wire.CodeBadRequest, "Idempotency-Key is missing: set it to the request id", 0})
		return
	}
	a.start(w, r, intent{key: key, operation: body})
}

func (a api) start(w http.ResponseWriter, r *http.Request, in intent) {
	a.mu.Lock()
	accepted, refused := a.decideStart(r, in)
	a.mu.Unlock()
	if refused != nil {
		refuse(w, *refused)
		return
	}
	reply(w, http.StatusAccepted, accepted)
}

// GetJob implements wire.ServerInterface.
func (a api) GetJob(w http.ResponseWriter, _ *http.Request, id wire.JobID) {
	a.countRead("GET /jobs/{jobId}")
	view, refused := a.viewJob(id)
	if refused != nil {
		refuse(w, *refused)
		return
	}
	reply(w, http.StatusOK, view)
}

func (a api) viewJob(id string) (wire.Job, *refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.settle(); err != nil {
		return wire.Job{}, unavailable(err)
	}
	j, known := a.state.jobs[id]
	if !known {
		return wire.Job{}, notFound("job " + strconv.Quote(id) + " is not known here")
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
		refuse(w, *unavailable(err))
		return
	}
	reply(w, http.StatusOK, list)
}

// CancelJob implements wire.ServerInterface.
func (a api) CancelJob(w http.ResponseWriter, r *http.Request, id wire.JobID) {
	a.mu.Lock()
	view, refused := a.decideCancel(r, a.state.jobs[id], "")
	a.mu.Unlock()
	a.answerCancel(w, view, refused)
}

// VoidRequest implements wire.ServerInterface.
func (a api) VoidRequest(w http.ResponseWriter, r *http.Request, params wire.VoidRequestParams) {
	a.mu.Lock()
	view, refused := a.decideCancel(r, a.state.byRequest[params.RequestID], params.RequestID)
	a.mu.Unlock()
	a.answerCancel(w, view, refused)
}

func (a api) answerCancel(w http.ResponseWriter, view wire.Job, refused *refusal) {
	if refused != nil {
		refuse(w, *refused)
		return
	}
	reply(w, http.StatusAccepted, view)
}

// refusal is an answer of 400 or above.
type refusal struct {
	status     int
	code       wire.ErrorCode
	message    string
	retryAfter time.Duration
}

func notFound(message string) *refusal {
	return &refusal{http.StatusNotFound, wire.CodeJobNotFound, message, 0}
}

// unavailable says that the record cannot be written. Nothing was accepted, hence the Retry-After.
func unavailable(err error) *refusal {
	return &refusal{http.StatusServiceUnavailable, wire.CodeUnavailable, err.Error(), time.Second}
}

func refuse(w http.ResponseWriter, r refusal) {
	if r.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(r.retryAfter.Round(time.Second)/time.Second))))
	}
	reply(w, r.status, wire.Error{Code: r.code, Message: r.message})
}

func reply(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(encoded)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(encoded, '\n')) // a client that has gone is told nothing
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	if err := decoder.Decode(into); err != nil {
		refuse(w, refusal{http.StatusBadRequest, wire.CodeBadRequest, "reading the request: " + err.Error(), 0})
		return false
	}
	return true
}

func keyOf(key *string) string {
	if key == nil {
		return ""
	}
	return *key
}

// hashOf names a request's content.
func hashOf(operation wire.OperationRequest) string {
	encoded, err := json.Marshal(operation)
	if err != nil {
		return "" // cannot happen: strings, numbers and bytes only
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}
