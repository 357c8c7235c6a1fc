// Package v1alpha1 is the vocabulary of Stargate: the eight kinds of the API group
// stargate.io/v1alpha1, their defaults and the rules that the API server itself checks.
//
// A namespace is a datacenter's room: Server, ProvisioningProfile, Operation, ServerGroup and
// Datacenter are namespaced; Fleet, Policy and Hook are cluster-scoped. References carry no
// namespace, so nothing reads a Secret of another namespace.
//
// The package imports apimachinery only. It holds no behaviour beyond small questions about a
// single object; what happens to objects is decided in engine/.
//
// +kubebuilder:object:generate=true
// +groupName=stargate.io
package v1alpha1
