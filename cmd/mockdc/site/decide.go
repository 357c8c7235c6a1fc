package site

import (
	"net/http"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/drivers/dcapi/wire/serve"
)

// intent is a request for a job.
type intent struct {
	key       string // the request id; "" where there is none
	operation wire.OperationRequest
	v1        bool // ignore the key, check nothing
}

// decideStart makes a job, finds the one that the request made before, or says why there is none. The caller holds
// the lock.
func (a api) decideStart(r *http.Request, in intent) (wire.JobAccepted, *serve.Refusal) {
	operation := in.operation
	about := Event{RequestID: in.key, ServerID: operation.Server.ServerID, Action: string(operation.Action)}
	if err := a.receive(r, about); err != nil {
		return wire.JobAccepted{}, serve.Unavailable(err)
	}
	if in.v1 {
		in.key, about.RequestID = "", "" // a version 1 site has never heard of it
	}
	refused := serve.CheckForm(operation)
	if refused == nil && in.key != "" {
		j, known := a.state.byRequest[in.key]
		if known && j.spec.BodyHash == serve.BodyHash(operation) {
			return a.replay(j)
		}
		refused = a.checkKey(in.key, known)
	}
	if refused == nil && !in.v1 {
		refused = a.checkServer(operation)
	}
	if refused != nil {
		about.Kind, about.Code = Refused, string(refused.Code)
		if err := a.append(about); err != nil {
			return wire.JobAccepted{}, serve.Unavailable(err)
		}
		return wire.JobAccepted{}, refused
	}
	spec := a.specOf(in)
	about.Kind, about.JobID, about.Job = Accepted, a.newJobID(), &spec
	if err := a.append(about); err != nil {
		return wire.JobAccepted{}, serve.Unavailable(err)
	}
	return wire.JobAccepted{JobID: about.JobID, RequestID: about.RequestID, Status: "accepted"}, nil
}

// receive lets happen what was due, then writes down that a request came.
func (a api) receive(r *http.Request, about Event) error {
	if err := a.settle(); err != nil {
		return err
	}
	about.Kind, about.Method, about.Path = Received, r.Method, r.URL.Path
	return a.append(about)
}

func (a api) replay(j *job) (wire.JobAccepted, *serve.Refusal) {
	event := Event{Kind: Replayed, JobID: j.id, RequestID: j.requestID, ServerID: j.serverID, Action: string(j.action)}
	if err := a.append(event); err != nil {
		return wire.JobAccepted{}, serve.Unavailable(err)
	}
	return wire.JobAccepted{JobID: j.id, RequestID: j.requestID, Status: "accepted"}, nil
}

// checkKey refuses an id that made a job from another body, or that was voided.
func (a api) checkKey(key string, known bool) *serve.Refusal {
	switch {
	case known:
		return serve.KeyReused(key)
	case a.state.voided[key]:
		return serve.Voided(key)
	}
	return nil
}

// checkServer refuses a machine that is not the one that was meant, or that has a live job.
func (a api) checkServer(operation wire.OperationRequest) *serve.Refusal {
	server := operation.Server
	if refused := a.mismatch(server); refused != nil {
		return refused
	}
	if a.state.live[server.ServerID] == 0 {
		return nil
	}
	if _, told := a.faults.take(AcceptBusy, subject{action: string(operation.Action), server: server.ServerID}); told {
		return nil
	}
	return serve.Busy(server.ServerID, a.config.Duration/4)
}

// mismatch refuses a request whose identity is not the machine's. What either side leaves empty is not compared.
func (a api) mismatch(server wire.Server) *serve.Refusal {
	for _, mac := range []string{server.MAC, server.BootMAC} {
		if owner, known := a.state.byMAC[mac]; mac != "" && known && owner != server.ServerID {
			return serve.Mismatched("MAC %s is of server %q, not of %q", mac, owner, server.ServerID)
		}
	}
	machine, known := a.state.machines[server.ServerID]
	if !known {
		return nil
	}
	if a.config.LooseUID {
		server.UID = ""
	}
	return serve.Mismatch(machine.Server, server)
}

// specOf fixes how a new job will run, faults included.
func (a api) specOf(in intent) JobSpec {
	operation := in.operation
	spec := JobSpec{
		BodyHash: serve.BodyHash(operation), Server: operation.Server,
		Total:   durationOf(operation.Action, a.config.Duration),
		Timeout: serve.Timeout(operation),
	}
	if operation.Action == wire.ActionRepave {
		spec.OSVersion, spec.ProfileHash = operation.Image.OSVersion, operation.Image.ProfileHash
		machine := a.state.machines[operation.Server.ServerID]
		spec.Unchanged = operation.OnlyIfNeeded && spec.ProfileHash != "" && machine != nil && machine.ProfileHash == spec.ProfileHash
	}
	what := subject{action: string(operation.Action), server: operation.Server.ServerID}
	if fault, told := a.faults.take(FailJob, what); told {
		spec.FailStage = fault.Stage
		if _, known := startOf(operation.Action, fault.Stage, spec.Total); !known {
			spec.FailStage = stagesOf(operation.Action)[0].name
		}
	}
	_, spec.Hangs = a.faults.take(HangJob, what)
	return spec
}

// decideCancel ends a job, or, with a request id that made none, voids the id. The caller holds the lock; j is
// what was found by id, nil when there is none.
func (a api) decideCancel(r *http.Request, j *job, requestID string) (wire.Job, *serve.Refusal) {
	about := Event{RequestID: requestID}
	if j != nil {
		about = Event{JobID: j.id, RequestID: j.requestID, ServerID: j.serverID, Action: string(j.action)}
	}
	if err := a.receive(r, about); err != nil {
		return wire.Job{}, serve.Unavailable(err)
	}
	switch {
	case j == nil && requestID == "":
		return wire.Job{}, serve.NotFound("no such job is known here")
	case j == nil:
		about.Kind = Voided
		if !a.state.voided[requestID] {
			if err := a.append(about); err != nil {
				return wire.Job{}, serve.Unavailable(err)
			}
		}
		return wire.Job{}, serve.NotFound("request id %q has made no job, and never will: it is voided", requestID)
	case j.ended.IsZero() && j.cancelled.IsZero():
		about.Kind = Cancelled
		if err := a.append(about); err != nil {
			return wire.Job{}, serve.Unavailable(err)
		}
		if err := a.settle(); err != nil {
			return wire.Job{}, serve.Unavailable(err)
		}
	}
	return a.show(j), nil
}
