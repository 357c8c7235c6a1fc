package controllers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

// confirm makes the counts of a namespace, or, where that is empty, of all, those of the API server itself:
// what another process has written a moment ago the watches of this one may not have told yet. A list of
// names and versions shows which Servers these are, and only they are read.
func (c *census) confirm(ctx context.Context, live client.Reader, namespace string) error {
	there := map[types.NamespacedName]types.UID{}
	var behind []types.NamespacedName
	at, err := eachMetadata(ctx, live, "ServerList", namespace, func(object *metav1.PartialObjectMetadata) {
		key := client.ObjectKeyFromObject(object)
		there[key] = object.UID
		if known := c.roster.server(key.Namespace, key.Name); known == nil || known.UID != object.UID || version(known) < version(object) {
			behind = append(behind, key)
		}
	})
	if err != nil {
		return fmt.Errorf("counting servers once more: %w", err)
	}
	for _, server := range c.roster.inNamespace(namespace) {
		// What was told since is of after the list.
		if there[client.ObjectKeyFromObject(server)] != server.UID && version(server) <= at {
			c.missed(server)
		}
	}
	for _, key := range behind {
		if err := c.read(ctx, live, key); err != nil {
			return err
		}
	}
	return nil
}

// read counts one Server as the API server itself has it.
func (c *census) read(ctx context.Context, live client.Reader, key types.NamespacedName) error {
	var server v1alpha1.Server
	switch err := live.Get(ctx, key, &server); {
	case apierrors.IsNotFound(err):
		if known := c.roster.server(key.Namespace, key.Name); known != nil {
			c.missed(known)
		}
	case err != nil:
		return fmt.Errorf("counting Server %s once more: %w", key, err)
	default:
		c.observe(&server, c.roster.selecting(&server))
	}
	return nil
}

// missed forgets a Server that is gone, of which the watch has not told yet: what it still tells of it is
// passed over.
func (c *census) missed(server *v1alpha1.Server) {
	c.mu.Lock()
	c.gone[server.UID] = true
	c.mu.Unlock()
	c.sweeper.told(c.ledger.Forget(ledger.Key(server.Namespace+"/"+server.Name), c.clock.Now()))
	if next := c.roster.server(server.Namespace, server.Name); next != nil && next.UID != server.UID {
		c.server(next) // the watch has told meanwhile of another of that name
	}
}

// isGone tells whether a Server is gone already, and with the last word of it forgets that.
func (c *census) isGone(uid types.UID, last bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := c.gone[uid]
	if last {
		delete(c.gone, uid)
	}
	return gone
}

// confirmGroups fails while the watch has not told of all groups as the API server itself has them: which
// servers a group has is counted by its selector.
func (c *census) confirmGroups(ctx context.Context, live client.Reader, namespace string) error {
	found, known := 0, true
	_, err := eachMetadata(ctx, live, "ServerGroupList", namespace, func(group *metav1.PartialObjectMetadata) {
		found++
		known = known && c.roster.knows(group)
	})
	if err != nil {
		return fmt.Errorf("counting groups once more: %w", err)
	}
	if !known || found != c.roster.groups(namespace) {
		return fmt.Errorf("counting groups once more: %w", errBehind)
	}
	return nil
}
