package controllers

import (
	"cmp"
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// Fields that the cache is indexed by.
const (
	indexServer   = "live.server"
	indexProfile  = "live.profile"
	indexIdentity = "identity"
	indexLive     = "live"
	indexGroup    = "live.group"
	indexHook     = "live.hook"
	indexNode     = "node"
)

// byHand is the value of indexGroup for what no rollout made; no group can have that name.
const byHand = "-"

// Index sets up the indexes that the reconcilers look things up by. Operations that have ended are
// in none of them.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	live := func(key func(*v1alpha1.Operation) string) client.IndexerFunc {
		return func(object client.Object) []string {
			op, ok := object.(*v1alpha1.Operation)
			if !ok || op.Status.Phase.Terminal() {
				return nil
			}
			if value := key(op); value != "" {
				return []string{value}
			}
			return nil
		}
	}
	for _, index := range []struct {
		object client.Object
		field  string
		values client.IndexerFunc
	}{
		{&v1alpha1.Operation{}, indexServer, live(func(op *v1alpha1.Operation) string { return op.Spec.ServerRef.Name })},
		{&v1alpha1.Operation{}, indexProfile, live(profileName)},
		{&v1alpha1.Operation{}, indexGroup, live(func(op *v1alpha1.Operation) string { return cmp.Or(op.Labels[v1alpha1.LabelGroup], byHand) })},
		{&v1alpha1.Operation{}, indexHook, func(object client.Object) []string {
			op, ok := object.(*v1alpha1.Operation)
			if !ok || op.Status.Phase.Terminal() {
				return nil
			}
			return hookNames(op)
		}},
		{&v1alpha1.Operation{}, indexLive, live(func(*v1alpha1.Operation) string { return "true" })},
		{&v1alpha1.Server{}, indexIdentity, func(object client.Object) []string {
			server, ok := object.(*v1alpha1.Server)
			if !ok {
				return nil
			}
			return operation.Identities(&server.Spec)
		}},
		{&v1alpha1.Server{}, indexNode, nodeNames},
	} {
		if err := indexer.IndexField(ctx, index.object, index.field, index.values); err != nil {
			return fmt.Errorf("indexing %s: %w", index.field, err)
		}
	}
	return nil
}

func profileName(op *v1alpha1.Operation) string {
	if op.Spec.ProvisioningProfileRef == nil {
		return ""
	}
	return op.Spec.ProvisioningProfileRef.Name
}

// conflicts lists the other Servers of the datacenter that share something of this one's identity.
func conflicts(ctx context.Context, reader client.Reader, server *v1alpha1.Server) ([]string, error) {
	var found []string
	for _, key := range operation.Identities(&server.Spec) {
		var peers v1alpha1.ServerList
		if err := reader.List(ctx, &peers, client.InNamespace(server.Namespace), client.MatchingFields{indexIdentity: key}); err != nil {
			return nil, fmt.Errorf("looking for Servers with %s: %w", key, err)
		}
		for i := range peers.Items {
			peer := &peers.Items[i]
			if peer.UID != server.UID && mayShareDatacenter(peer, server) {
				found = append(found, fmt.Sprintf("%s of %s", key, peer.Name))
			}
		}
	}
	return found, nil
}

// mayShareDatacenter tells whether two Servers can be of one datacenter. One that names none is of
// the only one there is, which the other may name.
func mayShareDatacenter(a, b *v1alpha1.Server) bool {
	one, other := datacenterOf(a), datacenterOf(b)
	return one == other || one == "" || other == ""
}

func datacenterOf(server *v1alpha1.Server) string {
	if server.Spec.DatacenterRef == nil {
		return ""
	}
	return server.Spec.DatacenterRef.Name
}
