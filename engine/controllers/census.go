package controllers

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

// census keeps the ledger's counts of servers and of failures: from the watches, and at once from what
// this process writes itself, so that a server that has just failed is never both released and, in the
// cache, still ready.
type census struct {
	ledger  *ledger.Ledger
	roster  *roster
	reader  client.Reader
	clock   clock.PassiveClock
	sweeper *sweeper

	mu sync.Mutex
	// sites are the Datacenters of each namespace.
	sites map[string]map[string]bool
	// gone are Servers that are, though the watch has not told so yet.
	gone map[types.UID]bool
}

func newCensus(places *ledger.Ledger, roster *roster, reader client.Reader, clk clock.PassiveClock, sweeper *sweeper) *census {
	return &census{ledger: places, roster: roster, reader: reader, clock: clk, sweeper: sweeper,
		sites: map[string]map[string]bool{}, gone: map[types.UID]bool{}}
}

// server counts a Server as it is now.
func (c *census) server(server *v1alpha1.Server) {
	if !c.isGone(server.UID, false) {
		c.observe(server, c.roster.groupOf(server.Namespace, server.Name))
	}
}

func (c *census) observe(server *v1alpha1.Server, group string) {
	machine := ledger.MachineOf(server, c.siteOf(server), group, version(server))
	c.sweeper.told(c.ledger.Observe(machine, c.clock.Now()))
}

// siteOf names the Datacenter that reaches a server; empty where none does, or where it is not said which.
func (c *census) siteOf(server *v1alpha1.Server) string {
	if name := datacenterOf(server); name != "" {
		return name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if sites := c.sites[server.Namespace]; len(sites) == 1 {
		for name := range sites {
			return name
		}
	}
	return ""
}

// siteOfNamed names the Datacenter that reaches the server of a name.
func (c *census) siteOfNamed(namespace, name string) string {
	if server := c.roster.server(namespace, name); server != nil {
		return c.siteOf(server)
	}
	return ""
}

// serverGone forgets a Server.
func (c *census) serverGone(server *v1alpha1.Server) {
	if c.isGone(server.UID, true) {
		return // and there may be another of that name
	}
	c.sweeper.told(c.ledger.Forget(ledger.Key(server.Namespace+"/"+server.Name), c.clock.Now()))
}

// site notes that a Datacenter is there, or not any more. A server that names none is of the only one.
func (c *census) site(namespace, name string, there bool) {
	c.mu.Lock()
	sites := c.sites[namespace]
	if sites == nil {
		sites = map[string]bool{}
		c.sites[namespace] = sites
	}
	same := sites[name] == there
	if there {
		sites[name] = true
	} else {
		delete(sites, name)
	}
	c.mu.Unlock()
	if !same {
		c.members(namespace)
	}
}

// members counts the servers of a namespace anew, whose groups or Datacenter may be others now.
func (c *census) members(namespace string) {
	for _, server := range c.roster.inNamespace(namespace) {
		c.server(server)
	}
}

// ended counts an Operation that ended Failed.
func (c *census) ended(op *v1alpha1.Operation) {
	if op.Status.Phase != v1alpha1.OperationFailed {
		return
	}
	at := op.CreationTimestamp.Time
	if op.Status.CompletionTime != nil {
		at = op.Status.CompletionTime.Time
	}
	c.sweeper.told(c.ledger.ObserveFailed(ask(op, "", 0), at, c.clock.Now()))
}

// operationGone forgets that an Operation failed.
func (c *census) operationGone(uid types.UID) {
	c.sweeper.told(c.ledger.ForgetFailed(string(uid), c.clock.Now()))
}

// watchSites hears of Datacenters.
func (c *census) watchSites() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ requests) {
			c.site(e.Object.GetNamespace(), e.Object.GetName(), true)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ requests) {
			c.site(e.Object.GetNamespace(), e.Object.GetName(), false)
		},
	}
}

// watchEnds hears of Operations that fail, and of those that are gone.
func (c *census) watchEnds() handler.EventHandler {
	note := func(object client.Object) {
		if op, ok := object.(*v1alpha1.Operation); ok {
			c.ended(op)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ requests) { note(e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ requests) { note(e.ObjectNew) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ requests) { c.operationGone(e.Object.GetUID()) },
	}
}

// take counts everything that the cache shows, before anything is admitted. It fails while the watch
// that keeps the roster has not told of all of it.
func (c *census) take(ctx context.Context) error {
	var sites v1alpha1.DatacenterList
	if err := c.reader.List(ctx, &sites, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("counting datacenters: %w", err)
	}
	for i := range sites.Items {
		c.site(sites.Items[i].Namespace, sites.Items[i].Name, true)
	}
	var groups v1alpha1.ServerGroupList
	if err := c.reader.List(ctx, &groups, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("counting groups: %w", err)
	}
	for i := range groups.Items {
		if !c.roster.knows(&groups.Items[i]) {
			return fmt.Errorf("counting groups: %w", errBehind)
		}
	}
	var servers v1alpha1.ServerList
	if err := c.reader.List(ctx, &servers, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("counting servers: %w", err)
	}
	for i := range servers.Items {
		if !c.roster.has(&servers.Items[i]) {
			return fmt.Errorf("counting servers: %w", errBehind)
		}
		c.server(&servers.Items[i])
	}
	var ops v1alpha1.OperationList
	if err := c.reader.List(ctx, &ops, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("counting failures: %w", err)
	}
	for i := range ops.Items {
		c.ended(&ops.Items[i])
	}
	return nil
}
