package sim

import (
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// newest mirrors engine/controllers/newest.go: what this process wrote, until the cache has caught up.
type newest[T client.Object] struct{ written map[types.UID]T }

func newNewest[T client.Object]() *newest[T] { return &newest[T]{written: map[types.UID]T{}} }

func (n *newest[T]) wrote(object T) {
	if before, ok := n.written[object.GetUID()]; !ok || version(object) >= version(before) {
		n.written[object.GetUID()] = object
	}
}

func (n *newest[T]) of(cached T) T {
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

func (n *newest[T]) forget(uid types.UID) { delete(n.written, uid) }

func version(object client.Object) uint64 {
	v, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0
	}
	return v
}
