package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/drivers/dcapi/wire/serve"
)

// routes gives the site's handler: the DC API of its version, behind faults, and the admin calls, which never fail
// on purpose.
func (s *Site) routes() http.Handler {
	calls := wire.HandlerWithOptions(api{s}, wire.StdHTTPServerOptions{
		ErrorHandlerFunc: serve.Malformed,
	})
	mux := http.NewServeMux()
	if s.config.API == V1 {
		mux.Handle("GET /health", calls)
		mux.Handle("POST /repave", calls)
		mux.Handle("GET /jobs/{jobId}", calls)
	} else {
		mux.Handle("/", calls)
	}
	asked := func(next http.Handler) http.Handler { return serve.Authenticated(s.config.Token, next) }
	root := http.NewServeMux()
	root.Handle("/", s.withFaults(asked(mux)))
	root.Handle("GET /admin/record", asked(http.HandlerFunc(s.getRecord)))
	root.Handle("GET /admin/faults", asked(http.HandlerFunc(s.getFaults)))
	root.Handle("POST /admin/faults", asked(http.HandlerFunc(s.postFaults)))
	root.Handle("DELETE /admin/faults", asked(http.HandlerFunc(s.deleteFaults)))
	root.Handle("GET /admin/machines", asked(http.HandlerFunc(s.getMachines)))
	root.Handle("PUT /admin/machines/{serverId}", asked(http.HandlerFunc(s.putMachine)))
	root.Handle("DELETE /admin/machines/{serverId}", asked(http.HandlerFunc(s.deleteMachine)))
	return root
}

// RecordDocument is what GET /admin/record answers; ?since=SEQ leaves out the events up to SEQ.
type RecordDocument struct {
	Site   string           `json:"site"`
	API    string           `json:"api"`
	Events []Event          `json:"events"`
	Reads  map[string]int64 `json:"reads"`
}

func (s *Site) getRecord(w http.ResponseWriter, r *http.Request) {
	since, err := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	if err != nil {
		since = 0
	}
	serve.Reply(w, http.StatusOK, RecordDocument{
		Site: s.config.Name, API: s.config.API, Events: s.RecordSince(since), Reads: s.Reads(),
	})
}

func (s *Site) getFaults(w http.ResponseWriter, _ *http.Request) {
	serve.Reply(w, http.StatusOK, s.Faults())
}

func (s *Site) postFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, serve.MaxRequest))
	var fault Fault
	if err == nil {
		err = decodeStrict(body, &fault)
	}
	if err == nil {
		fault, err = s.AddFault(fault)
	}
	if err != nil {
		serve.Refuse(w, serve.BadRequest("%v", err))
		return
	}
	serve.Reply(w, http.StatusCreated, fault)
}

// deleteFaults takes all faults away, or the one of ?id=ID.
func (s *Site) deleteFaults(w http.ResponseWriter, r *http.Request) {
	id := 0
	if text := r.URL.Query().Get("id"); text != "" {
		parsed, err := strconv.Atoi(text)
		if err != nil || parsed <= 0 {
			serve.Refuse(w, serve.BadRequest("id %q is not a fault's", text))
			return
		}
		id = parsed
	}
	serve.Reply(w, http.StatusOK, map[string]int{"removed": s.faults.remove(id)})
}

func (s *Site) getMachines(w http.ResponseWriter, _ *http.Request) {
	serve.Reply(w, http.StatusOK, s.Machines())
}

func (s *Site) putMachine(w http.ResponseWriter, r *http.Request) {
	var machine Machine
	if !serve.Decode(w, r, &machine) {
		return
	}
	machine.ServerID = r.PathValue("serverId")
	if machine.Power == "" {
		machine.Power = "on"
	}
	s.answerDone(w, s.Register(machine))
}

func (s *Site) deleteMachine(w http.ResponseWriter, r *http.Request) {
	s.answerDone(w, s.Forget(r.PathValue("serverId")))
}

func (s *Site) answerDone(w http.ResponseWriter, err error) {
	if err != nil {
		serve.Refuse(w, serve.Unavailable(err))
		return
	}
	serve.Reply(w, http.StatusOK, map[string]string{"status": "done"})
}

func decodeStrict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading JSON: something follows it")
	}
	return nil
}
