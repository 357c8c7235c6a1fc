package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// MaxRequest bounds a request's body; cloud-init documents are in it.
const MaxRequest = 8 << 20

// MaxRequestID bounds a request id, as the API has it.
const MaxRequestID = 256

// Refusal is an answer of 400 or above.
type Refusal struct {
	Status  int
	Code    wire.ErrorCode
	Message string
	// RetryAfter is sent where it is above zero, at least as one second.
	RetryAfter time.Duration
}

// Refused gives a refusal without a time to come back.
func Refused(status int, code wire.ErrorCode, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// BadRequest says that a request cannot be understood, or asks for what cannot be.
func BadRequest(format string, args ...any) *Refusal {
	return Refused(http.StatusBadRequest, wire.CodeBadRequest, format, args...)
}

// NotFound says that there is no such job.
func NotFound(format string, args ...any) *Refusal {
	return Refused(http.StatusNotFound, wire.CodeJobNotFound, format, args...)
}

// Unavailable says that nothing was accepted because of an error, and that it may go another time.
func Unavailable(err error) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Code: wire.CodeUnavailable, Message: err.Error(), RetryAfter: time.Second}
}

// KeyReused says that an id has made a job from another body.
func KeyReused(key string) *Refusal {
	return Refused(http.StatusUnprocessableEntity, wire.CodeKeyReused, "request id %q has made a job from another body", key)
}

// Voided says that an id was tombstoned.
func Voided(key string) *Refusal {
	return Refused(http.StatusConflict, wire.CodeRequestVoided, "request id %q was voided", key)
}

// Refuse answers with a refusal.
func Refuse(w http.ResponseWriter, r *Refusal) {
	if r.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(r.RetryAfter.Round(time.Second)/time.Second))))
	}
	Reply(w, r.Status, wire.Error{Code: r.Code, Message: r.Message})
}

// Answer gives a body under a status, or the refusal where there is one.
func Answer(w http.ResponseWriter, status int, body any, refused *Refusal) {
	if refused != nil {
		Refuse(w, refused)
		return
	}
	Reply(w, status, body)
}

// Reply answers with a body of JSON.
func Reply(w http.ResponseWriter, status int, body any) {
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

// Decode reads a request's body, or refuses it and gives false.
func Decode(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxRequest))
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return true
		}
		err = errors.New("something follows the JSON document")
	}
	Refuse(w, BadRequest("reading the request: %v", err))
	return false
}

// Malformed answers what the generated code could not read.
func Malformed(w http.ResponseWriter, _ *http.Request, err error) {
	Refuse(w, BadRequest("%v", err))
}

// Key gives the request id of an Idempotency-Key header; "" where there is none.
func Key(key *string) string {
	if key == nil {
		return ""
	}
	return *key
}

// CheckKey refuses a request id that is missing or too long for the API.
func CheckKey(key string) *Refusal {
	switch {
	case key == "":
		return BadRequest("Idempotency-Key is missing: set it to the request id")
	case len(key) > MaxRequestID:
		return BadRequest("the request id is %d bytes long, and may be %d", len(key), MaxRequestID)
	}
	return nil
}

// OperationOf gives a version 1 repave as the operation that it is.
func OperationOf(body wire.RepaveRequest) wire.OperationRequest {
	return wire.OperationRequest{
		Action: wire.ActionRepave,
		Server: wire.Server{ServerID: body.ServerID, MAC: body.MAC, IPv4: body.IPv4},
		Image:  &wire.Image{OSVersion: body.OSVersion},
	}
}

// BodyHash names a request's content.
func BodyHash(operation wire.OperationRequest) string {
	encoded, err := json.Marshal(operation)
	if err != nil {
		return "" // cannot happen: strings, numbers and bytes only
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

// CheckForm refuses an operation that no site could understand.
func CheckForm(operation wire.OperationRequest) *Refusal {
	switch {
	case !operation.Action.Valid():
		return BadRequest("action %.80q is not offered here", operation.Action)
	case operation.Server.ServerID == "":
		return BadRequest("serverId is empty: name the server")
	case operation.Action == wire.ActionRepave && (operation.Image == nil || operation.Image.OSVersion == ""):
		return BadRequest("a repave needs an image with an osVersion")
	}
	return nil
}

// Mismatch refuses a request whose identity is not the machine's. What either side leaves empty is not compared.
func Mismatch(machine, said wire.Server) *Refusal {
	for _, part := range []struct{ name, want, got string }{
		{"UID", machine.UID, said.UID},
		{"MAC", machine.MAC, said.MAC},
		{"boot MAC", machine.BootMAC, said.BootMAC},
		{"BMC", machine.BMC, said.BMC},
	} {
		if part.want != "" && part.got != "" && part.want != part.got {
			return Mismatched("server %q has %s %s here, and the request says %.80q", said.ServerID, part.name, part.want, part.got)
		}
	}
	return nil
}

// Mismatched refuses a request that means another machine than it names.
func Mismatched(format string, args ...any) *Refusal {
	return Refused(http.StatusConflict, wire.CodeIdentityMismatch, format, args...)
}

// Busy says that a server has a live job, and when to come back.
func Busy(serverID string, retryAfter time.Duration) *Refusal {
	refusal := Refused(http.StatusConflict, wire.CodeServerBusy, "server %q has a live job", serverID)
	refusal.RetryAfter = max(time.Second, retryAfter)
	return refusal
}

// maxTimeoutSeconds keeps a duration from overflowing: about thirty years.
const maxTimeoutSeconds = 1 << 30

// Timeout of an operation; zero leaves it to the site.
func Timeout(operation wire.OperationRequest) time.Duration {
	return time.Duration(min(max(operation.TimeoutSeconds, 0), maxTimeoutSeconds)) * time.Second
}

// Capabilities of a site that keeps all of version 2.
func Capabilities() wire.Capabilities {
	return wire.Capabilities{
		Version: "v2", Idempotent: true, Cancel: true, ChecksIdentity: true, ReportsApplied: true,
		Actions: []wire.Action{
			wire.ActionRepave, wire.ActionReboot, wire.ActionPowerOn, wire.ActionPowerOff, wire.ActionInspect,
		},
	}
}
