package site

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The versions of the DC API that a site can speak.
const (
	V1 = "v1"
	V2 = "v2"
)

// Clock is the site's time. A *clock.FakeClock of k8s.io/utils/clock/testing fits, and so does site.ManualClock.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

// Config says what a site is like. Its zero value is a version 2 site in memory, without credentials.
type Config struct {
	// API is V1 or V2; empty is V2.
	API string
	// Name of the datacenter, for messages.
	Name string
	// Duration of a repave; zero is 30 s. Other actions take a third or a tenth of it.
	Duration time.Duration
	// Clock; nil is the machine's.
	Clock Clock
	// Token that every request must bear, but for GET /health; empty asks for none.
	Token string
	// Faults that are there from the start.
	Faults []Fault
	// LooseUID accepts a machine under another Server UID as long as its MAC and BMC are the same, as a site
	// would that only knows hardware. Otherwise the first UID that was seen is the machine's.
	LooseUID bool
	// Fsync makes every event reach the disk before it is answered for, so that it outlives a power cut; without
	// it an event outlives only the process. For Open.
	Fsync bool
}

// Site is one datacenter; it is an http.Handler. Its methods are safe for concurrent use.
type Site struct {
	config  Config
	clock   Clock
	handler http.Handler
	faults  faults
	began   time.Time

	mu      sync.Mutex
	state   *state
	events  []Event
	journal *journal // nil in memory

	reads   sync.Map // pattern → *atomic.Int64
	closing chan struct{}
	close   sync.Once
	late    sync.WaitGroup
}

// New gives a site that lives in memory.
func New(config Config) *Site {
	s := &Site{config: config, clock: config.Clock, state: newState(), closing: make(chan struct{})}
	if s.config.API == "" {
		s.config.API = V2
	}
	if s.config.Duration <= 0 {
		s.config.Duration = 30 * time.Second
	}
	if s.clock == nil {
		s.clock = wallClock{}
	}
	s.began = s.clock.Now()
	for _, fault := range config.Faults {
		s.faults.add(fault)
	}
	s.handler = s.routes()
	return s
}

// Open gives a site whose record is kept in a folder. What an earlier site answered for in that folder, even one
// that was killed, is there again; its jobs have gone on by the clock meanwhile.
// Errors: the folder cannot be made, read or written; a line of the record before the last is damaged.
func Open(config Config, dir string) (*Site, error) {
	s := New(config)
	journal, events, err := openJournal(dir, config.Fsync)
	if err != nil {
		return nil, err
	}
	s.journal = journal
	for _, event := range events {
		s.state.apply(event)
	}
	s.events = events
	return s, nil
}

// Close ends what still waits in the site (late requests, replies that never come) and closes its files. The
// record on disk stays.
func (s *Site) Close() error {
	s.stop()
	s.late.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}

// stop ends what waits in the site. It holds the lock so that waitsLate never counts up while Close waits.
func (s *Site) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close.Do(func() { close(s.closing) })
}

// waitsLate counts one more that waits, unless the site is closing.
func (s *Site) waitsLate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
		return false
	default:
		s.late.Add(1)
		return true
	}
}

// WaitLate returns once no request is held back by a Late fault any more.
func (s *Site) WaitLate() { s.late.Wait() }

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Record gives everything that the site did, in order. The result is a copy.
func (s *Site) Record() []Event { return s.RecordSince(0) }

// RecordSince gives the events after a sequence number.
func (s *Site) RecordSince(seq int64) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What cannot be written down did not happen: the record ends before it.
	_ = s.settle()
	if seq < 0 || seq >= int64(len(s.events)) {
		seq = min(max(seq, 0), int64(len(s.events)))
	}
	return slices.Clone(s.events[seq:])
}

// Machines gives what the site knows of its machines, by serverId.
func (s *Site) Machines() map[string]Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.settle() // as in RecordSince
	machines := make(map[string]Machine, len(s.state.machines))
	for id, machine := range s.state.machines {
		machines[id] = *machine
	}
	return machines
}

// Register sets a machine's identity and what it last got, in place of what was known of it.
func (s *Site) Register(machine Machine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return err
	}
	return s.append(Event{Kind: Registered, ServerID: machine.ServerID, Machine: &machine})
}

// Forget removes what is known of a machine; the next request that names it sets its identity.
func (s *Site) Forget(serverID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return err
	}
	return s.append(Event{Kind: Forgotten, ServerID: serverID})
}

// Reads tells how often each call that changes nothing was made, for example {"GET /jobs/{jobId}": 12}.
func (s *Site) Reads() map[string]int64 {
	reads := map[string]int64{}
	s.reads.Range(func(pattern, count any) bool {
		reads[pattern.(string)] = count.(*atomic.Int64).Load() // only these are stored
		return true
	})
	return reads
}

func (s *Site) countRead(pattern string) {
	count, _ := s.reads.LoadOrStore(pattern, new(atomic.Int64))
	count.(*atomic.Int64).Add(1) // only these are stored
}

// append writes an event down, then lets it take effect. The caller holds the lock, and has settled.
// Errors: the event could not be written; then nothing has changed.
func (s *Site) append(event Event) error {
	if event.At.IsZero() {
		event.At = s.clock.Now()
	}
	// Stored without its monotonic reading, so that a site that comes back computes from what it had.
	event.At = event.At.Round(0).UTC()
	if event.At.Before(s.state.lastAt) {
		event.At = s.state.lastAt
	}
	event.Seq = s.state.lastSeq + 1
	switch event.Kind {
	case Accepted:
		event.Live = s.state.liveJobs + 1
	case Ended:
		event.Live = s.state.liveJobs - 1
	case Began:
		event.Live = s.state.liveJobs
	default:
	}
	if s.journal != nil {
		if err := s.journal.append(event); err != nil {
			return err
		}
	}
	s.state.apply(event)
	s.events = append(s.events, event)
	return nil
}

// settle lets happen, in order, everything that was due by now. The record is therefore in the order of time
// although no timer runs. The caller holds the lock.
func (s *Site) settle() error {
	now := s.clock.Now()
	for len(s.state.due) > 0 {
		j := s.state.due[0]
		kind, at, never := j.next()
		if never || at.After(now) {
			return nil
		}
		event := Event{
			Kind: kind, At: at, JobID: j.id, RequestID: j.requestID, ServerID: j.serverID, Action: string(j.action),
		}
		if kind == Ended {
			event.Phase, event.Unchanged = string(j.end.phase), j.spec.Unchanged
		}
		if err := s.append(event); err != nil {
			return err
		}
	}
	return nil
}

// newJobID gives the next id. The sequence number of the record makes it unique in the record, and the time at which
// the site began tells two records in memory apart.
func (s *Site) newJobID() string {
	return "job-" + strconv.FormatInt(s.began.UnixMilli(), 36) + "-" + strconv.FormatInt(s.state.lastSeq+1, 10)
}

type wallClock struct{}

func (wallClock) Now() time.Time                         { return time.Now() }
func (wallClock) After(d time.Duration) <-chan time.Time { return time.After(d) }
