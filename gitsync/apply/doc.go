// Package apply brings the objects of a commit into the cluster, and takes out those that left it.
//
// It has two halves. Changes is pure: the objects that should be and those that the caller's caches hold
// go in, and a Plan comes out: what is created, changed (and in which fields), pruned, waiting, refused,
// left alone. Nothing is asked of the API server for it. Applier carries a Plan out with server-side
// apply under one field owner, one request for each object that changed.
//
//	commit ─▶ Changes ─▶ Plan ─▶ Applier.Apply ─▶ Namespace, Secret, ConfigMap, Policy, Hook, Datacenter,
//	live   ─▶                                     ProvisioningProfile, Server, ServerGroup; then prunes,
//	                                              in reverse
//
// What was sent is told by a digest on the object itself, so that a process killed at any write leaves
// something that the same call completes: what is in by then is unchanged, and the rest is sent.
//
// It must never send what did not change, take an object from another fleet, delete a Server that an
// Operation is at work on, or quote what a Secret holds.
package apply
