package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// kind of object, as the resource's name.
type kind string

const (
	operations  kind = "operations"
	servers     kind = "servers"
	profiles    kind = "provisioningprofiles"
	datacenters kind = "datacenters"
)

var kinds = []kind{operations, servers, profiles, datacenters}

// change is one entry of a kind's log, which watches read from.
type change struct {
	version uint64
	name    string
	// object after the change, or, where it was deleted, the last there was.
	object  client.Object
	deleted bool
}

// apiServer keeps objects as a real one does: a write is a compare-and-swap on the resource version,
// status is written apart from the rest, a deletion waits for the finalizers. Objects are never
// changed in place, so that caches can share them.
type apiServer struct {
	world   *world
	version uint64
	uids    int
	objects map[kind]map[string]client.Object
	log     map[kind][]change
	// history of every Operation that ever was, by UID: its latest state.
	ever map[types.UID]*v1alpha1.Operation
}

func newAPIServer(w *world) *apiServer {
	a := &apiServer{world: w, objects: map[kind]map[string]client.Object{}, log: map[kind][]change{}, ever: map[types.UID]*v1alpha1.Operation{}}
	for _, kind := range kinds {
		a.objects[kind] = map[string]client.Object{}
	}
	return a
}

func notFound(k kind, name string) error {
	return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource(string(k)).GroupResource(), name)
}

func conflict(k kind, name, why string) error {
	return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource(string(k)).GroupResource(), name, fmt.Errorf("%s", why))
}

// get reads the newest state of an object; nil where there is none.
func (a *apiServer) get(k kind, name string) client.Object { return a.objects[k][name] }

// names of a kind's objects, in order.
func (a *apiServer) names(k kind) []string { return slices.Sorted(maps.Keys(a.objects[k])) }

// create stores a new object, stamped as admission does.
func (a *apiServer) create(k kind, object client.Object) error {
	name := object.GetName()
	if a.objects[k][name] != nil {
		return apierrors.NewAlreadyExists(v1alpha1.GroupVersion.WithResource(string(k)).GroupResource(), name)
	}
	if k == servers {
		object.SetFinalizers([]string{v1alpha1.Finalizer})
	}
	a.uids++
	object.SetUID(types.UID(fmt.Sprintf("%s-%d", name, a.uids)))
	object.SetNamespace(namespace)
	object.SetGeneration(1)
	object.SetCreationTimestamp(metav1.NewTime(a.world.wall().Truncate(1e9)))
	a.store(k, object)
	return nil
}

// update writes everything but the status.
func (a *apiServer) update(k kind, object client.Object) error {
	stored, err := a.match(k, object)
	if err != nil {
		return err
	}
	next := clone(object)
	copyStatus(stored, next)
	next.SetDeletionTimestamp(stored.GetDeletionTimestamp())
	next.SetGeneration(stored.GetGeneration())
	if !sameSpec(stored, next) {
		next.SetGeneration(stored.GetGeneration() + 1)
	}
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 {
		a.remove(k, next)
		return nil
	}
	a.storeChanged(k, stored, next)
	object.SetResourceVersion(next.GetResourceVersion())
	object.SetGeneration(next.GetGeneration())
	return nil
}

// updateStatus writes the status and nothing else.
func (a *apiServer) updateStatus(k kind, object client.Object) error {
	stored, err := a.match(k, object)
	if err != nil {
		return err
	}
	next := clone(stored)
	copyStatus(object, next)
	a.storeChanged(k, stored, next)
	object.SetResourceVersion(next.GetResourceVersion())
	return nil
}

// delete marks an object, or removes it where no finalizer holds it.
func (a *apiServer) delete(k kind, name string, uid types.UID, version string) error {
	stored := a.objects[k][name]
	switch {
	case stored == nil:
		return notFound(k, name)
	case uid != "" && stored.GetUID() != uid, version != "" && stored.GetResourceVersion() != version:
		return conflict(k, name, "it is not the one that was meant")
	case stored.GetDeletionTimestamp() != nil:
		return nil
	}
	next := clone(stored)
	if len(next.GetFinalizers()) == 0 {
		a.remove(k, next)
		return nil
	}
	now := metav1.NewTime(a.world.wall().Truncate(1e9))
	next.SetDeletionTimestamp(&now)
	next.SetGeneration(next.GetGeneration() + 1)
	a.store(k, next)
	return nil
}

func (a *apiServer) match(k kind, object client.Object) (client.Object, error) {
	stored := a.objects[k][object.GetName()]
	switch {
	case stored == nil:
		return nil, notFound(k, object.GetName())
	case stored.GetUID() != object.GetUID() || stored.GetResourceVersion() != object.GetResourceVersion():
		return nil, conflict(k, object.GetName(), "the object has been modified")
	}
	return stored, nil
}

// storeChanged stores what differs; a write that changes nothing leaves no trace, as in etcd.
func (a *apiServer) storeChanged(k kind, stored, next client.Object) {
	next.SetResourceVersion(stored.GetResourceVersion())
	if equality.Semantic.DeepEqual(stored, next) {
		return
	}
	a.store(k, next)
}

func (a *apiServer) store(k kind, object client.Object) {
	a.version++
	object.SetResourceVersion(strconv.FormatUint(a.version, 10))
	stored := clone(object)
	a.objects[k][object.GetName()] = stored
	a.append(k, change{version: a.version, name: object.GetName(), object: stored})
}

func (a *apiServer) remove(k kind, object client.Object) {
	a.version++
	object.SetResourceVersion(strconv.FormatUint(a.version, 10))
	delete(a.objects[k], object.GetName())
	a.append(k, change{version: a.version, name: object.GetName(), object: object, deleted: true})
}

func (a *apiServer) append(k kind, c change) {
	if op, ok := c.object.(*v1alpha1.Operation); ok {
		a.world.judge.saw(a.ever[op.UID], op)
		a.ever[op.UID] = op
	}
	a.log[k] = append(a.log[k], c)
	for _, p := range a.world.processes {
		p.announce(k)
	}
}

func clone(object client.Object) client.Object {
	return object.DeepCopyObject().(client.Object)
}

func copyStatus(from, to client.Object) {
	switch to := to.(type) {
	case *v1alpha1.Operation:
		from.(*v1alpha1.Operation).Status.DeepCopyInto(&to.Status)
	case *v1alpha1.Server:
		from.(*v1alpha1.Server).Status.DeepCopyInto(&to.Status)
	}
}

func sameSpec(a, b client.Object) bool {
	switch a := a.(type) {
	case *v1alpha1.Operation:
		return equality.Semantic.DeepEqual(a.Spec, b.(*v1alpha1.Operation).Spec)
	case *v1alpha1.Server:
		return equality.Semantic.DeepEqual(a.Spec, b.(*v1alpha1.Server).Spec)
	case *v1alpha1.ProvisioningProfile:
		return equality.Semantic.DeepEqual(a.Spec, b.(*v1alpha1.ProvisioningProfile).Spec)
	case *v1alpha1.Datacenter:
		return equality.Semantic.DeepEqual(a.Spec, b.(*v1alpha1.Datacenter).Spec)
	}
	return false
}
