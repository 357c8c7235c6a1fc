package site

import (
	"fmt"
	"net/http"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// intent is a request for a job.
type intent struct {
	key       string // the request id; "" where there is none
	operation wire.OperationRequest
	v1        bool // ignore the key, check nothing
}

// decideStart makes a job, finds the one that the request made before, or says why there is none. The caller holds
// the lock.
func (a api) decideStart(r *http.Request, in intent) (wire.JobAccepted, *refusal) {
	operation := in.operation
	about := Event{RequestID: in.key, ServerID: operation.Server.ServerID, Action: string(operation.Action)}
	if err := a.receive(r, about); err != nil {
		return wire.JobAccepted{}, unavailable(err)
	}
	if in.v1 {
		in.key, about.RequestID = "", "" // a version 1 site has never heard of it
	}
	refused := a.checkForm(operation)
	if refused == nil && in.key != "" {
		j, known := a.state.byRequest[in.key]
		if known && j.spec.BodyHash == hashOf(operation) {
			return a.replay(j)
		}
		refused = a.checkKey(in.key, known)
	}
	if refused == nil && !in.v1 {
		refused = a.checkServer(operation)
	}
	if refused != nil {
		about.Kind, about.Code = Refused, string(refused.code)
		if err := a.append(about); err != nil {
			return wire.JobAccepted{}, unavailable(err)
		}
		return wire.JobAccepted{}, refused
	}
	spec := a.specOf(in)
	about.Kind, about.JobID, about.Job = Accepted, a.newJobID(), &spec
	if err := a.append(about); err != nil {
		return wire.JobAccepted{}, unavailable(err)
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

func (a api) replay(j *job) (wire.JobAccepted, *refusal) {
	event := Event{Kind: Replayed, JobID: j.id, RequestID: j.requestID, ServerID: j.serverID, Action: string(j.action)}
	if err := a.append(event); err != nil {
		return wire.JobAccepted{}, unavailable(err)
	}
	return wire.JobAccepted{JobID: j.id, RequestID: j.requestID, Status: "accepted"}, nil
}

func (a api) checkForm(operation wire.OperationRequest) *refusal {
	bad := func(message string) *refusal {
		return &refusal{http.StatusBadRequest, wire.CodeBadRequest, message, 0}
	}
	switch {
	case !operation.Action.Valid():
		return bad(fmt.Sprintf("action %q is not offered here", operation.Action))
	case operation.Server.ServerID == "":
		return bad("serverId is empty: name the server")
	case operation.Action == wire.ActionRepave && (operation.Image == nil || operation.Image.OSVersion == ""):
		return bad("a repave needs an image with an osVersion")
	}
	return nil
}

// checkKey refuses an id that made a job from another body, or that was voided.
func (a api) checkKey(key string, known bool) *refusal {
	switch {
	case known:
		return &refusal{http.StatusUnprocessableEntity, wire.CodeKeyReused,
			fmt.Sprintf("request id %q has made a job from another body", key), 0}
	case a.state.voided[key]:
		return &refusal{http.StatusConflict, wire.CodeRequestVoided, fmt.Sprintf("request id %q was voided", key), 0}
	}
	return nil
}

// checkServer refuses a machine that is not the one that was meant, or that has a live job.
func (a api) checkServer(operation wire.OperationRequest) *refusal {
	server := operation.Server
	if why := a.mismatch(server); why != "" {
		return &refusal{http.StatusConflict, wire.CodeIdentityMismatch, why, 0}
	}
	if a.state.live[server.ServerID] == 0 {
		return nil
	}
	if _, told := a.faults.take(AcceptBusy, subject{action: string(operation.Action), server: server.ServerID}); told {
		return nil
	}
	return &refusal{http.StatusConflict, wire.CodeServerBusy,
		fmt.Sprintf("server %q has a live job", server.ServerID), max(time.Second, a.config.Duration/4)}
}

// mismatch tells in what a request's identity is not the machine's; "" where it fits. What either side leaves
// empty is not compared.
func (a api) mismatch(server wire.Server) string {
	for _, mac := range []string{server.MAC, server.BootMAC} {
		if owner, known := a.state.byMAC[mac]; mac != "" && known && owner != server.ServerID {
			return fmt.Sprintf("MAC %s is of server %q, not of %q", mac, owner, server.ServerID)
		}
	}
	machine, known := a.state.machines[server.ServerID]
	if !known {
		return ""
	}
	for _, part := range []struct {
		name, want, got string
		skip            bool
	}{
		{"UID", machine.UID, server.UID, a.config.LooseUID},
		{"MAC", machine.MAC, server.MAC, false},
		{"boot MAC", machine.BootMAC, server.BootMAC, false},
		{"BMC", machine.BMC, server.BMC, false},
	} {
		if !part.skip && part.want != "" && part.got != "" && part.want != part.got {
			return fmt.Sprintf("server %q has %s %s here, and the request says %s", server.ServerID, part.name, part.want, part.got)
		}
	}
	return ""
}

// specOf fixes how a new job will run, faults included.
func (a api) specOf(in intent) JobSpec {
	operation := in.operation
	spec := JobSpec{
		BodyHash: hashOf(operation), Server: operation.Server,
		Total:   durationOf(operation.Action, a.config.Duration),
		Timeout: time.Duration(min(operation.TimeoutSeconds, maxTimeoutSeconds)) * time.Second,
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

// maxTimeoutSeconds keeps a duration from overflowing: about thirty years.
const maxTimeoutSeconds = 1 << 30

// decideCancel ends a job, or, with a request id that made none, voids the id. The caller holds the lock; j is
// what was found by id, nil when there is none.
func (a api) decideCancel(r *http.Request, j *job, requestID string) (wire.Job, *refusal) {
	about := Event{RequestID: requestID}
	if j != nil {
		about = Event{JobID: j.id, RequestID: j.requestID, ServerID: j.serverID, Action: string(j.action)}
	}
	if err := a.receive(r, about); err != nil {
		return wire.Job{}, unavailable(err)
	}
	switch {
	case j == nil && requestID == "":
		return wire.Job{}, notFound("no such job is known here")
	case j == nil:
		about.Kind = Voided
		if !a.state.voided[requestID] {
			if err := a.append(about); err != nil {
				return wire.Job{}, unavailable(err)
			}
		}
		return wire.Job{}, notFound(fmt.Sprintf("request id %q has made no job, and never will: it is voided", requestID))
	case j.ended.IsZero() && j.cancelled.IsZero():
		about.Kind = Cancelled
		if err := a.append(about); err != nil {
			return wire.Job{}, unavailable(err)
		}
		if err := a.settle(); err != nil {
			return wire.Job{}, unavailable(err)
		}
	}
	return a.show(j), nil
}
