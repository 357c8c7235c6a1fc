package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "stargate.io", Version: "v1alpha1"}

// SchemeBuilder collects the kinds; AddToScheme registers them.
var (
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	AddToScheme   = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Server{}, &ServerList{},
		&ProvisioningProfile{}, &ProvisioningProfileList{},
		&Operation{}, &OperationList{},
		&ServerGroup{}, &ServerGroupList{},
		&Datacenter{}, &DatacenterList{},
		&Policy{}, &PolicyList{},
		&Hook{}, &HookList{},
		&Fleet{}, &FleetList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
