package controllers

import (
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// newest keeps what this process wrote until the cache has caught up with it, so that a decision is
// never made on what we ourselves have already changed. Resource versions of one kind can be
// compared since Kubernetes 1.35 (KEP-5504).
type newest[T client.Object] struct {
	mu      sync.Mutex
	written map[types.UID]T
}

func newNewest[T client.Object]() *newest[T] { return &newest[T]{written: map[types.UID]T{}} }

// wrote remembers what the API server returned to a write.
func (n *newest[T]) wrote(object T) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if before, ok := n.written[object.GetUID()]; !ok || version(object) >= version(before) {
		n.written[object.GetUID()] = object
	}
}

// of gives the newer of the cached object and of what was written. The result must not be changed.
func (n *newest[T]) of(cached T) T {
	n.mu.Lock()
	defer n.mu.Unlock()
	written, ok := n.written[cached.GetUID()]
	if !ok {
		return cached
	}
	if version(written) > version(cached) {
		return written
	}
	delete(n.written, cached.GetUID())
	return cached
}

// forget drops what was written, because the object is gone or somebody else wrote it since.
func (n *newest[T]) forget(uid types.UID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.written, uid)
}

func version(object client.Object) uint64 { return parseVersion(object.GetResourceVersion()) }

func parseVersion(text string) uint64 {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return v
}
