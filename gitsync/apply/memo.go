package apply

import (
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/gitsync/tree"
)

// Memo of what was compared before: a live object that has not moved since, compared with the same
// content, is unchanged without a look at it. One Memo serves one fleet; it holds only what the last
// comparison saw. Its zero value is empty, and it may be used from several goroutines.
type Memo struct {
	mu      sync.Mutex
	seen    map[types.UID]sight
	digests map[*unstructured.Unstructured]string
}

// sight of a live object that was as it should be.
type sight struct{ resourceVersion, digest string }

// memory of one comparison: what was known before it, and what is known after.
type memory struct {
	memo          *Memo
	before, after Memo
}

func (m *Memo) begin() *memory {
	now := &memory{memo: m}
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		now.before.seen, now.before.digests = m.seen, m.digests
	}
	now.after.seen = make(map[types.UID]sight, len(now.before.seen))
	now.after.digests = make(map[*unstructured.Unstructured]string, len(now.before.digests))
	return now
}

// end keeps what was seen. The maps that were known before are only read, so that another comparison may
// go by them at the same time.
func (m *memory) end() {
	if m.memo == nil {
		return
	}
	m.memo.mu.Lock()
	defer m.memo.mu.Unlock()
	m.memo.seen, m.memo.digests = m.after.seen, m.after.digests
}

// digest of an object's content.
func (m *memory) digest(o *tree.Object) string {
	digest, ok := m.before.digests[o.Content]
	if !ok {
		digest = contentDigest(sent(o))
	}
	m.after.digests[o.Content] = digest
	return digest
}

// same tells whether the live object was seen to have that content.
func (m *memory) same(live Object, digest string) bool {
	if seen, ok := m.before.seen[live.GetUID()]; !ok || seen != (sight{live.GetResourceVersion(), digest}) {
		return false
	}
	m.remember(live, digest)
	return true
}

// remember that the live object has that content. One without identity is not remembered.
func (m *memory) remember(live Object, digest string) {
	if live.GetUID() == "" || live.GetResourceVersion() == "" {
		return
	}
	m.after.seen[live.GetUID()] = sight{live.GetResourceVersion(), digest}
}
