package site

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire/serve"
	"stargate.io/stargate/simulator"
)

// Config says what a site is made of. Folder and Machines are required.
type Config struct {
	// Folder keeps the jobs; one process has it at a time.
	Folder   string
	Machines simulator.Machines
	// Token that every request must bear, but for GET /health; empty asks for none.
	Token string
	// Patience with a machine that is busy when an accepted job comes to it; zero is one minute.
	Patience time.Duration
	// Log of what nobody is answered for; nil is none.
	Log *slog.Logger
}

// Site is the DC API of a simulated datacenter; it is an http.Handler. Its methods are safe for concurrent use.
type Site struct {
	config  Config
	log     *slog.Logger
	handler http.Handler
	runs    sync.WaitGroup
	closing context.Context // ends with errClosing as its cause
	end     context.CancelCauseFunc

	mu      sync.Mutex
	book    *book
	journal *journal
}

// errClosing is why a job's context ends when the site is closed: the job is left as it is.
var errClosing = errors.New("the simulator is ending; the job goes on when it is started again")

// Open gives the site of a folder, with all that an earlier one answered for, even one that was killed. Its jobs that
// have not ended go on at once.
// Errors: the folder cannot be made, read or written; another process has it open; its journal is damaged.
func Open(config Config) (*Site, error) {
	s := &Site{config: config, log: config.Log, book: newBook()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.config.Patience <= 0 {
		s.config.Patience = time.Minute
	}
	journal, err := openJournal(config.Folder, s.book.apply)
	if err != nil {
		return nil, err
	}
	s.journal = journal
	s.closing, s.end = context.WithCancelCause(context.Background())
	s.handler = s.routes()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.book.order {
		if j.end == nil {
			s.launch(j)
		}
	}
	return s, nil
}

// Close leaves every live job as it is, waits until none is worked on, and closes the journal.
func (s *Site) Close() error {
	s.stop()
	s.runs.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal.close()
}

// stop keeps new runs from being launched, and ends those there are. It holds the lock so that no run is launched while
// Close waits for them.
func (s *Site) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(errClosing)
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Accepted is a job that the site once accepted.
type Accepted struct {
	JobID, RequestID, Server string
	Action                   simulator.Action
	At                       time.Time
	Live                     bool
}

// Record gives every job that was ever accepted, in order.
func (s *Site) Record() []Accepted {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := make([]Accepted, 0, len(s.book.order))
	for _, j := range s.book.order {
		record = append(record, Accepted{JobID: j.id, RequestID: j.requestID, Server: j.server, Action: j.action, At: j.at, Live: j.end == nil})
	}
	return record
}

// write puts an event into the journal, then into the book. The caller holds the lock.
// Errors: it could not be put on disk; then nothing has changed.
func (s *Site) write(e event) error {
	e.At = time.Now().UTC().Round(0)
	if err := s.journal.append(e); err != nil {
		return err
	}
	if err := s.book.apply(e); err != nil {
		return fmt.Errorf("keeping the book: %w", err) // cannot happen: the event was made from the book
	}
	if s.journal.grown() {
		if err := s.journal.rewrite(s.book.events()); err != nil {
			s.log.Error("the jobs' journal stays as long as it is", "error", err)
			s.journal.base = s.journal.size // not again at each event
		}
	}
	return nil
}

// unwritten says what it means that an event could not be put on disk: that nothing came of the request, or, where the
// disk cannot be believed, nothing at all.
func (s *Site) unwritten(err error) *serve.Refusal {
	s.log.Error("the jobs' journal cannot be written", "error", err)
	refused := serve.Unavailable(err)
	if s.journal.broken != nil {
		refused.Status, refused.Code, refused.RetryAfter = http.StatusInternalServerError, "internal", 0
	}
	return refused
}

// newJobID gives an id that no job had, even of a journal that was moved away: machines remember the ids of their jobs.
func newJobID() string { return "job-" + strings.ToLower(rand.Text()) }
