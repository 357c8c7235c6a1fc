package site

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire/serve"
)

// withFaults serves a request as it should be, unless a fault strikes it on its way.
func (s *Site) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, serve.MaxRequest))
		if err != nil {
			serve.Refuse(w, serve.BadRequest("reading the request: %v", err))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		fault, struck := s.faults.takeOnWay(s.subjectOf(r, body))
		if !struck {
			next.ServeHTTP(w, r)
			return
		}
		serve := func() *answer {
			copied := r.Clone(r.Context())
			copied.Body = io.NopCloser(bytes.NewReader(body))
			kept := &answer{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(kept, copied)
			return kept
		}
		s.strike(w, r, fault, body, serve)
	})
}

// strike carries one fault out. serve does what the request asks for, as often as it is called.
func (s *Site) strike(w http.ResponseWriter, r *http.Request, fault Fault, body []byte, serve func() *answer) {
	switch fault.Kind {
	case Refuse:
		panic(http.ErrAbortHandler)
	case Delay, SlowReply, SlowBytes, HangReply, Late:
		s.serveSlowly(w, r, fault, serve)
	case LoseReply:
		serve()
		panic(http.ErrAbortHandler)
	case Duplicate:
		first := serve()
		serve()
		first.send(w)
	default:
		kept := &answer{header: http.Header{}}
		if fault.Act {
			kept = serve()
		}
		s.answerWrongly(w, r, fault, body, kept)
	}
}

// serveSlowly serves a request and lets its client wait.
func (s *Site) serveSlowly(w http.ResponseWriter, r *http.Request, fault Fault, serve func() *answer) {
	switch fault.Kind {
	case Delay:
		if s.wait(r, fault.Delay) {
			serve().send(w)
		}
	case SlowReply:
		kept := serve()
		if s.wait(r, fault.Delay) {
			kept.send(w)
		}
	case SlowBytes:
		s.dribble(w, r, serve(), fault.Delay)
	case HangReply:
		serve()
		s.wait(r, 0)
		panic(http.ErrAbortHandler)
	default:
		s.serveLate(w, r, fault, serve)
	}
}

// answerWrongly gives another answer than the request's own.
func (s *Site) answerWrongly(w http.ResponseWriter, r *http.Request, fault Fault, body []byte, kept *answer) {
	switch fault.Kind {
	case Status:
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		serve.Reply(w, fault.Status, map[string]string{"code": "internal", "message": "told to answer so"})
	case Redirect:
		w.Header().Set("Location", fault.Location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		s.garble(w, r, fault, body, kept)
	}
}

// serveLate serves a request after a delay, whether or not its client still waits.
func (s *Site) serveLate(w http.ResponseWriter, r *http.Request, fault Fault, serve func() *answer) {
	if !s.waitsLate() {
		panic(http.ErrAbortHandler)
	}
	done := make(chan *answer, 1)
	go func() {
		defer s.late.Done()
		select {
		case <-s.clock.After(time.Duration(fault.Delay)):
			done <- serve()
		case <-s.closing:
		}
	}()
	select {
	case kept := <-done:
		kept.send(w)
	case <-r.Context().Done():
	case <-s.closing:
		panic(http.ErrAbortHandler)
	}
}

// wait tells whether a delay went by with client and site still there; a delay of 0 never does.
func (s *Site) wait(r *http.Request, delay Duration) bool {
	var passed <-chan time.Time
	if delay > 0 {
		passed = s.clock.After(time.Duration(delay))
	}
	select {
	case <-passed:
		return true
	case <-r.Context().Done():
	case <-s.closing:
	}
	return false
}

// dribble sends an answer byte by byte.
func (s *Site) dribble(w http.ResponseWriter, r *http.Request, kept *answer, delay Duration) {
	kept.header.Del("Content-Length")
	kept.writeHeader(w)
	controller := http.NewResponseController(w)
	for i := range kept.body.Bytes() {
		if _, err := w.Write(kept.body.Bytes()[i : i+1]); err != nil || controller.Flush() != nil || !s.wait(r, delay) {
			return
		}
	}
}

// subjectOf tells what a request is about, as far as can be seen from outside.
func (s *Site) subjectOf(r *http.Request, body []byte) subject {
	what := subject{method: r.Method, path: r.URL.Path}
	if id, isJob := strings.CutPrefix(r.URL.Path, "/jobs/"); isJob {
		id, _, _ = strings.Cut(id, "/")
		s.mu.Lock()
		if j, known := s.state.jobs[id]; known {
			what.action, what.server = string(j.action), j.serverID
		}
		s.mu.Unlock()
		return what
	}
	var peek struct {
		ServerID string `json:"serverId"`
		Action   string `json:"action"`
		Server   struct {
			ServerID string `json:"serverId"`
		} `json:"server"`
	}
	if json.Unmarshal(body, &peek) != nil {
		return what // whatever it is, it is about no server
	}
	what.action, what.server = peek.Action, peek.Server.ServerID
	if r.URL.Path == "/repave" {
		what.action, what.server = "repave", peek.ServerID
	}
	return what
}

// answer is a response that has not been sent.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(part []byte) (int, error) { return a.body.Write(part) }

func (a *answer) writeHeader(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
}

func (a *answer) send(w http.ResponseWriter) {
	a.writeHeader(w)
	_, _ = w.Write(a.body.Bytes()) // a client that has gone is told nothing
}
