package dcapi

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi/wire"
)

const (
	maxStage    = 64
	maxMessage  = 1024
	maxFact     = 256
	maxHardware = 32
	maxActions  = 64
)

var (
	jobIDs     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@=+~-]{0,255}$`)
	requestIDs = regexp.MustCompile(`^[!-~]{1,256}$`)
	versions   = regexp.MustCompile(`^v[0-9]{1,4}$`)
)

// operationOf gives a request as version 2 sends it.
func operationOf(request drivers.Request) wire.OperationRequest {
	operation := wire.OperationRequest{
		Action: wire.Action(request.Action),
		Server: wire.Server{
			ServerID: request.Server.Name, UID: request.Server.UID, MAC: request.Server.MAC,
			BootMAC: request.Server.BootMAC, BMC: request.Server.BMC, IPv4: request.Server.IPv4,
			CurrentOS: request.Server.CurrentOS,
		},
		OnlyIfNeeded: request.OnlyIfNeeded,
		// Rounded up: a timeout of half a second is not the absence of one.
		TimeoutSeconds: int64((request.Timeout + time.Second - 1) / time.Second),
	}
	if image := request.Image; image != nil {
		operation.Image = &wire.Image{
			OSVersion: image.OSVersion, URL: image.URL, Checksum: image.Checksum, Format: image.Format,
			UserData: image.UserData, NetworkData: image.NetworkData, MetaData: image.MetaData,
			ProfileHash: image.ProfileHash,
		}
	}
	return operation
}

// repaveOf gives a request as version 1 sends it, which is all that such a site understands.
func repaveOf(request drivers.Request) wire.RepaveRequest {
	return wire.RepaveRequest{
		ServerID: request.Server.Name, MAC: request.Server.MAC, IPv4: request.Server.IPv4,
		OSVersion: request.Image.OSVersion,
	}
}

// checkRequest refuses what could not be sent as it is meant.
func checkRequest(request drivers.Request) error {
	switch {
	case !requestIDs.MatchString(request.ID):
		return errors.New("the request ID is empty, too long or holds what no HTTP header may")
	case request.Server.Name == "":
		return errors.New("the request names no server")
	case request.Action == drivers.Repave && (request.Image == nil || request.Image.OSVersion == ""):
		return errors.New("a repave needs an image with an OS version")
	case request.Timeout < 0:
		return errors.New("the timeout is below zero")
	}
	return nil
}

// refOf checks the acceptance of a request. strict asks for the request's own ID in it, as version 2 has it.
func refOf(accepted wire.JobAccepted, requestID string, strict bool) (drivers.JobRef, error) {
	if err := checkJobID(accepted.JobID); err != nil {
		return drivers.JobRef{}, err
	}
	if accepted.Status == "" {
		return drivers.JobRef{}, errors.New("the answer does not say that the job was accepted")
	}
	if err := checkRequestID(accepted.RequestID, requestID, strict); err != nil {
		return drivers.JobRef{}, err
	}
	return drivers.JobRef{RequestID: requestID, JobID: accepted.JobID}, nil
}

func checkJobID(id string) error {
	switch {
	case id == "":
		return errors.New("the job id is empty")
	case len(id) > 256:
		return fmt.Errorf("the job id is %d bytes long, and may be 256", len(id))
	case !jobIDs.MatchString(id):
		return errors.New("the job id holds characters that no job id may")
	}
	return nil
}

// checkRequestID refuses the answer to another request.
func checkRequestID(got, want string, strict bool) error {
	switch {
	case got == "" && strict:
		return errors.New("the answer does not say which request it is for")
	case got != "" && want != "" && got != want:
		return errors.New("the answer is for another request")
	}
	return nil
}

// statusOf checks what a site says of a job and gives it in the contract's terms.
func statusOf(said wire.Job, job drivers.JobRef, hidden secrets) (drivers.JobStatus, error) {
	if said.JobID != job.JobID {
		return drivers.JobStatus{}, errors.New("the answer is about another job")
	}
	if err := checkRequestID(said.RequestID, job.RequestID, false); err != nil {
		return drivers.JobStatus{}, err
	}
	if !said.Phase.Valid() {
		return drivers.JobStatus{}, errors.New("the job is in a phase that the DC API does not have")
	}
	if said.Percent < 0 || said.Percent > 100 {
		return drivers.JobStatus{}, fmt.Errorf("the job is %d percent done", said.Percent)
	}
	return drivers.JobStatus{
		Phase: drivers.Phase(said.Phase), Percent: said.Percent,
		Stage: hidden.scrub(said.Stage, maxStage), Message: hidden.scrub(said.Message, maxMessage),
		Untouched: said.Untouched, Unchanged: said.Unchanged, Facts: factsOf(said.Facts, hidden),
	}, nil
}

// factsOf gives what a site learned, bounded. A fact that is not of the contract's form is left out: what a machine
// runs must not be guessed.
func factsOf(said *wire.Facts, hidden secrets) *drivers.Facts {
	if said == nil {
		return nil
	}
	facts := &drivers.Facts{
		OSVersion: whole(hidden.scrub(said.OSVersion, maxFact), said.OSVersion), ProfileHash: whole(hidden.scrub(said.ProfileHash, maxFact), said.ProfileHash),
	}
	if said.Power == "on" || said.Power == "off" {
		facts.Power = said.Power
	}
	for _, name := range slices.Sorted(maps.Keys(said.Hardware)) {
		if len(facts.Hardware) == maxHardware {
			break
		}
		if facts.Hardware == nil {
			facts.Hardware = map[string]string{}
		}
		facts.Hardware[hidden.scrub(name, maxStage)] = hidden.scrub(said.Hardware[name], maxFact)
	}
	return facts
}

// whole gives a text only where cleaning left it as it was.
func whole(cleaned, original string) string {
	if cleaned != original {
		return ""
	}
	return cleaned
}

// capabilitiesOf checks what a site says it can do.
func capabilitiesOf(said wire.Capabilities) (drivers.Capabilities, error) {
	if !versions.MatchString(said.Version) {
		return drivers.Capabilities{}, errors.New("the capabilities name no version")
	}
	if len(said.Actions) > maxActions {
		return drivers.Capabilities{}, errors.New("the capabilities list too many actions")
	}
	if said.Version == version1.Version {
		return version1, nil
	}
	capabilities := drivers.Capabilities{
		Version: said.Version, Idempotent: said.Idempotent, Cancel: said.Cancel,
		ChecksIdentity: said.ChecksIdentity, ReportsApplied: said.ReportsApplied,
	}
	for _, action := range said.Actions {
		if action.Valid() { // what a later version adds is not ours to ask for
			capabilities.Actions = append(capabilities.Actions, drivers.Action(action))
		}
	}
	return capabilities, nil
}

// version1 is what every first-version site can do.
var version1 = drivers.Capabilities{Version: "v1", Actions: []drivers.Action{drivers.Repave}}
