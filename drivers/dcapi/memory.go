package dcapi

import (
	"sync"

	"stargate.io/stargate/drivers"
)

// rememberedRequests bounds the memory of a Driver; the oldest are forgotten first.
const rememberedRequests = 20_000

// memory keeps, of the request ids that this Driver sent, those that a site cannot be trusted to know: all that were
// sent without an idempotency key, and those whose outcome is Unknown. It is a second line only; what must outlive
// the process is the caller's, who writes the intent first and asks Find.
type memory struct {
	mu    sync.Mutex
	bound int
	known map[string]sending
	order []string
}

// sending is what is known of one request id.
type sending struct {
	// job that it made; the JobID is empty where the outcome is not known.
	job drivers.JobRef
	// keyless: the site was not told the id, and cannot know it even if it speaks a later version by now.
	keyless bool
}

func (s sending) doubtful() bool { return s.job.JobID == "" }

func newMemory(bound int) *memory {
	return &memory{bound: bound, known: map[string]sending{}}
}

// claim remembers an id as one that may have landed, and tells whether it was not known before.
func (m *memory) claim(id string, keyless bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.known[id]; known {
		return false
	}
	m.put(id, sending{job: drivers.JobRef{RequestID: id}, keyless: keyless})
	return true
}

// doubtful tells whether the outcome of an id is not known.
func (m *memory) doubtful(id string) bool {
	earlier, known := m.look(id)
	return known && earlier.doubtful()
}

// keyless gives what is known of an id that the site was not told.
func (m *memory) keyless(id string) (sending, bool) {
	earlier, known := m.look(id)
	return earlier, known && earlier.keyless
}

func (m *memory) look(id string) (sending, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	earlier, known := m.known[id]
	return earlier, known
}

// landed remembers the job of an id that the site was not told.
func (m *memory) landed(job drivers.JobRef) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(job.RequestID, sending{job: job, keyless: true})
}

// forget is for an id that certainly made no job, or whose job the site knows by it.
func (m *memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, id)
}

func (m *memory) put(id string, what sending) {
	if _, known := m.known[id]; !known {
		m.order = append(m.order, id)
	}
	m.known[id] = what
	for len(m.known) > m.bound || len(m.order) > 2*m.bound {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}
