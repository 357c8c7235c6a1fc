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
	content map[*unstructured.Unstructured]content
}

// sight of a live object that was as it should be.
type sight struct{ resourceVersion, digest string }

// content of a desired object: its name in the cluster, and its digest.
type content struct {
	key    tree.Key
	digest string
}

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
		now.before.seen, now.before.content = m.seen, m.content
	}
	now.after.seen = make(map[types.UID]sight, len(now.before.seen))
	now.after.content = make(map[*unstructured.Unstructured]content, len(now.before.content))
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
	m.memo.seen, m.memo.content = m.after.seen, m.after.content
}

// of an object of a commit, its content.
func (m *memory) of(o *tree.Object) content {
	known, ok := m.before.content[o.Content]
	if !ok {
		known = content{o.Key(), contentDigest(sent(o))}
	}
	m.after.content[o.Content] = known
	return known
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
