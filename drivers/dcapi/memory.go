package dcapi

import (
	"sync"

	"stargate.io/stargate/drivers"
)

// rememberedRequests bounds the memory of a Driver; the oldest are forgotten first.
const rememberedRequests = 20_000

// memory keeps, of the request ids that this Driver sent, those that must not be sent to a site without
// idempotency again: at such a site every one, elsewhere those whose outcome is Unknown. It is a second line only;
// what must outlive the process is the caller's, who writes the intent first and asks Find.
type memory struct {
	mu    sync.Mutex
	bound int
	known map[string]drivers.JobRef // an empty JobID: may have landed
	order []string
}

func newMemory(bound int) *memory {
	return &memory{bound: bound, known: map[string]drivers.JobRef{}}
}

// claim remembers an id as one that may have landed, unless it is known; then it gives what is known of it.
func (m *memory) claim(id string) (drivers.JobRef, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ref, known := m.known[id]; known {
		return ref, true
	}
	m.put(id, drivers.JobRef{RequestID: id})
	return drivers.JobRef{}, false
}

// doubtful tells whether the outcome of an id is not known.
func (m *memory) doubtful(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	ref, known := m.known[id]
	return known && ref.JobID == ""
}

// landed remembers the job of an id.
func (m *memory) landed(ref drivers.JobRef) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(ref.RequestID, ref)
}

// forget is for an id that certainly made no job.
func (m *memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, id)
}

func (m *memory) put(id string, ref drivers.JobRef) {
	if _, known := m.known[id]; !known {
		m.order = append(m.order, id)
	}
	m.known[id] = ref
	for len(m.known) > m.bound || len(m.order) > 2*m.bound {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}
