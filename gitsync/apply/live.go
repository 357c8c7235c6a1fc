package apply

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// Object of the cluster: typed as the caches hold it, or unstructured. Every client.Object is one.
type Object interface {
	metav1.Object
	runtime.Object
}

// Live is what the cluster holds: all objects of our kinds, the fleet's or not, and of Kubernetes' own
// those that are desired and those that are the fleet's (Gather). Its objects are only read.
type Live struct{ objects map[tree.Key]Object }

// LiveOf objects.
func LiveOf(objects ...Object) Live {
	l := Live{objects: make(map[tree.Key]Object, len(objects))}
	l.Add(objects...)
	return l
}

// Add objects; of two with one name the later holds.
func (l *Live) Add(objects ...Object) {
	if l.objects == nil {
		l.objects = map[tree.Key]Object{}
	}
	for _, o := range objects {
		l.objects[KeyOf(o)] = o
	}
}

// Get the object of that name; nil where there is none.
func (l Live) Get(key tree.Key) Object { return l.objects[key] }

// Len tells how many objects there are.
func (l Live) Len() int { return len(l.objects) }

// KeyOf an object. Those of a cache do not say their kind; their type does.
func KeyOf(o Object) tree.Key {
	return tree.Key{Kind: kindOf(o), Namespace: o.GetNamespace(), Name: o.GetName()}
}

func kindOf(o Object) schema.GroupKind {
	kind := ""
	switch o.(type) {
	case *v1alpha1.Server:
		kind = "Server"
	case *v1alpha1.ServerGroup:
		kind = "ServerGroup"
	case *v1alpha1.ProvisioningProfile:
		kind = "ProvisioningProfile"
	case *v1alpha1.Datacenter:
		kind = "Datacenter"
	case *v1alpha1.Hook:
		kind = "Hook"
	case *v1alpha1.Policy:
		kind = "Policy"
	case *corev1.Namespace:
		return schema.GroupKind{Kind: "Namespace"}
	case *corev1.Secret:
		return schema.GroupKind{Kind: "Secret"}
	case *corev1.ConfigMap:
		return schema.GroupKind{Kind: "ConfigMap"}
	default:
		return o.GetObjectKind().GroupVersionKind().GroupKind()
	}
	return schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: kind}
}

// specOf a typed object of ours; nil for others.
func specOf(o any) any {
	switch of := o.(type) {
	case *v1alpha1.Server:
		return &of.Spec
	case *v1alpha1.ServerGroup:
		return &of.Spec
	case *v1alpha1.ProvisioningProfile:
		return &of.Spec
	case *v1alpha1.Datacenter:
		return &of.Spec
	case *v1alpha1.Hook:
		return &of.Spec
	case *v1alpha1.Policy:
		return &of.Spec
	}
	return nil
}
