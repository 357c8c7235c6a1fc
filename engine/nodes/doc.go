// Package nodes carries out what hooks may ask of the Kubernetes node that a server is.
//
// In: a Server, the cluster that it is a node of, and a verb with its arguments. Out: plain values for the
// script, or an error that says what to do.
//
//	cordon, uncordon, drain, deleteNode, nodeReady ──▶ the cluster of spec.allow.kubeconfigRef, or the management cluster
//	labels ──▶ the Server itself
//
// It never touches a node that is not known to be the server, never goes round a disruption budget, never
// waits for a pod to end, and never runs or reads anything that a kubeconfig names.
package nodes
