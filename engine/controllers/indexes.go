package controllers

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// Fields that the cache is indexed by.
const (
	indexServer   = "live.server"
	indexProfile  = "live.profile"
	indexIdentity = "identity"
	indexLive     = "live"
)

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
		{&v1alpha1.Operation{}, indexLive, live(func(*v1alpha1.Operation) string { return "true" })},
		{&v1alpha1.Server{}, indexIdentity, func(object client.Object) []string {
			server, ok := object.(*v1alpha1.Server)
			if !ok {
				return nil
			}
			return identities(server)
		}},
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

// identities are what no two Servers of a datacenter may share. A MAC and a boot MAC are of one
// kind: another machine's boot interface is as wrong as its main one.
func identities(server *v1alpha1.Server) []string {
	spec := &server.Spec
	keys := []string{"mac " + strings.ToLower(spec.MAC)}
	if boot := strings.ToLower(spec.BootMACAddress); boot != "" && boot != strings.ToLower(spec.MAC) {
		keys = append(keys, "mac "+boot)
	}
	if spec.IPv4 != "" {
		keys = append(keys, "address "+spec.IPv4)
	}
	if spec.BMC != nil {
		keys = append(keys, strings.TrimSpace("bmc "+controllerAddress(spec.BMC.Address)+" "+spec.BMC.SystemID))
	}
	return keys
}

// controllerAddress gives a BMC's address without what it may be spelled with or without.
func controllerAddress(address string) string {
	address = strings.TrimRight(strings.ToLower(address), "/")
	for scheme, port := range map[string]string{"https://": ":443", "http://": ":80"} {
		if host, found := strings.CutPrefix(address, scheme); found {
			return strings.TrimSuffix(host, port)
		}
	}
	return strings.TrimSuffix(address, ":443")
}

// conflicts lists the other Servers of the datacenter that share something of this one's identity.
func conflicts(ctx context.Context, reader client.Reader, server *v1alpha1.Server) ([]string, error) {
	var found []string
	for _, key := range identities(server) {
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
