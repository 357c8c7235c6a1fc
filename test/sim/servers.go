package sim

import (
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// reconcileServer mirrors engine/controllers/servers.go.
func (p *process) reconcileServer(name string) (time.Duration, error) {
	cached, ok := p.caches[servers].get(name).(*v1alpha1.Server)
	if !ok {
		return 0, nil
	}
	server := p.servers.of(cached)
	status := operation.DecideServer(server, nil, p.conflicts(server), p.ownerGone(server), metav1.NewTime(p.world.wall()))
	if status != nil {
		next := server.DeepCopy()
		next.Status = *status
		if err := p.write("status of "+name, func() error { return p.world.api.updateStatus(servers, next) }); err != nil {
			return p.setServerBack(server, err)
		}
		p.servers.wrote(next)
		server = next
	}
	if server.DeletionTimestamp == nil || server.Status.ActiveOperation != nil || !slices.Contains(server.Finalizers, v1alpha1.Finalizer) {
		return 0, nil
	}
	next := server.DeepCopy()
	next.Finalizers = slices.DeleteFunc(next.Finalizers, func(f string) bool { return f == v1alpha1.Finalizer })
	if err := p.write("finalizers of "+name, func() error { return p.world.api.update(servers, next) }); err != nil {
		return p.setServerBack(server, err)
	}
	return 0, nil
}

func (p *process) setServerBack(server *v1alpha1.Server, err error) (time.Duration, error) {
	p.servers.forget(server.UID)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return 50 * time.Millisecond, nil
	}
	return 0, err
}

// ownerGone tells whether neither the cache nor the API server has the Operation with the claim.
func (p *process) ownerGone(server *v1alpha1.Server) bool {
	owner := server.Status.ActiveOperation
	if owner == nil {
		return false
	}
	for _, read := range []func(string) (string, bool){p.cachedUID, p.liveUID} {
		if uid, ok := read(owner.Name); ok && uid == owner.UID {
			return false
		}
	}
	return true
}

func (p *process) cachedUID(name string) (string, bool) {
	op, ok := p.caches[operations].get(name).(*v1alpha1.Operation)
	if !ok {
		return "", false
	}
	return string(op.UID), true
}

func (p *process) liveUID(name string) (string, bool) {
	op, ok := p.world.api.get(operations, name).(*v1alpha1.Operation)
	if !ok {
		return "", false
	}
	return string(op.UID), true
}
