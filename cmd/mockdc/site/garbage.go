package site

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"stargate.io/stargate/drivers/dcapi/wire/serve"
)

// endlessSize of an Endless answer: far above what any client should read.
const endlessSize = 10 << 30

// garble answers what is not of the protocol. kept is the true answer where there was one.
func (s *Site) garble(w http.ResponseWriter, r *http.Request, fault Fault, body []byte, kept *answer) {
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusAccepted
	}
	if edit, known := edits[fault.Sort]; known {
		truth := map[string]any{"jobId": "job-1", "status": "accepted", "phase": "running", "message": ""}
		_ = json.Unmarshal(kept.body.Bytes(), &truth) // without a true answer, a likely one will do
		edit(truth)
		serve.Reply(w, status, truth)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if fault.Sort == Verbatim {
		w.WriteHeader(status)
		_, _ = w.Write(fault.Body)
		return
	}
	switch fault.Sort {
	case Truncated:
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"jobId":"job-1","pha`)
	case Endless:
		w.WriteHeader(status)
		s.stream(w)
	case EmptyBody:
		w.WriteHeader(status)
	case NotJSON:
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "\x00\xff\xfe certainly not JSON")
	case EchoSecrets:
		echoed := r.Header.Get("Authorization") + " " + string(body)
		serve.Reply(w, http.StatusBadRequest, map[string]string{"code": "bad_request", "message": echoed})
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><head><title>Sign in</title></head><body>Please sign in.</body></html>")
	}
}

// edits make a true answer wrong in one place.
var edits = map[string]func(map[string]any){
	WrongJobID: func(truth map[string]any) { truth["jobId"] = "job-999999999" },
	WrongID:    func(truth map[string]any) { truth["requestId"] = "another-request-1" },
	EmptyJobID: func(truth map[string]any) { truth["jobId"] = "" },
	StrangeID:  func(truth map[string]any) { truth["jobId"] = "../../admin\r\nX-Evil: 1" },
	BadPercent: func(truth map[string]any) { truth["percent"] = 1000 },
	BadPhase:   func(truth map[string]any) { truth["phase"] = "daydreaming" },
}

// stream writes a JSON document that never comes to its end.
func (s *Site) stream(w http.ResponseWriter) {
	block := []byte(strings.Repeat("a", 1<<16))
	_, err := io.WriteString(w, `{"message":"`)
	for sent := 0; err == nil && sent < endlessSize; sent += len(block) {
		select {
		case <-s.closing:
			return
		default:
			_, err = w.Write(block)
		}
	}
}
