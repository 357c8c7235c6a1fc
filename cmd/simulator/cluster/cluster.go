// Package cluster is what the simulator does in a Kubernetes cluster: it registers its datacenter in a namespace of its
// own, runs that namespace's Operations, and says on each Server how its machine is.
//
// In: a client configuration, and the machines. Out: a Namespace, a Secret and a Datacenter; the engine, as `stargate run`
// has it, for that namespace alone; the condition MachineHealthy. A cluster that cannot be reached is tried again for
// ever: the machines do not need it.
//
//	machines ──List──▶ report ──▶ Server.status.conditions[MachineHealthy]
//	                   register ─▶ Namespace, Secret, Datacenter
//	                   engine   ─▶ Operations of the namespace ──DC API──▶ package site
package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/simulator"
)

// The names that the simulator has in a cluster, unless it is told others.
const (
	DefaultNamespace  = "dc-simulator"
	DefaultDatacenter = "simulator"
)

// fieldManager owns what is written here.
const fieldManager = "simulator"

// again is how long to wait before a cluster that failed is tried once more.
const again = 5 * time.Second

// Config of the part that the simulator has in a cluster.
type Config struct {
	RESTConfig *rest.Config
	// Namespace of its Datacenter and Servers.
	Namespace string
	// Datacenter is the name of its object.
	Datacenter string
	// Endpoint of its DC API, as the controller reaches it.
	Endpoint string
	// Token that the DC API asks for; empty for none.
	Token string
	// FacesOnly leaves the namespace's Operations to a controller elsewhere.
	FacesOnly bool
	// Machines gives the machines as they are.
	Machines func() []simulator.Status
	Log      logr.Logger
}

// Run does it all until the context ends.
func Run(ctx context.Context, c Config) {
	var parts sync.WaitGroup
	parts.Go(func() { c.untilDone(ctx, "saying how the machines are", c.report) })
	parts.Go(func() {
		c.untilDone(ctx, "registering the datacenter", func(ctx context.Context) error {
			if err := c.register(ctx); err != nil {
				return err
			}
			c.Log.Info("registered", "datacenter", c.Namespace+"/"+c.Datacenter, "endpoint", c.Endpoint)
			if c.FacesOnly {
				return nil
			}
			return c.operate(ctx)
		})
	})
	parts.Wait()
}

// untilDone does something again and again until it is done. What went wrong is said when it is another thing than
// the last time.
func (c Config) untilDone(ctx context.Context, what string, do func(context.Context) error) {
	said := ""
	for {
		err := do(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			said = err.Error()
			c.Log.Error(err, what+" failed, and is tried again", "every", again.String())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
	}
}

// operate runs the namespace's Operations, as the only one of several simulators that would.
func (c Config) operate(ctx context.Context) error {
	admission, err := config.Admission()
	if err != nil {
		return err
	}
	klog.SetLogger(c.Log)
	ctrl.SetLogger(c.Log)
	err = engine.Run(ctx, engine.Options{
		RESTConfig: c.RESTConfig, Namespaces: []string{c.Namespace}, LeaderElect: true, LeaderElectionNamespace: c.Namespace,
		Admission: admission, Logger: c.Log,
	})
	if err == nil && ctx.Err() == nil {
		err = errors.New("the controller ended")
	}
	return err
}

func (c Config) client() (client.Client, error) {
	quiet := rest.CopyConfig(c.RESTConfig)
	quiet.WarningHandler = rest.NoWarnings{}
	direct, err := client.New(quiet, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		return nil, fmt.Errorf("reaching the cluster: %w", err)
	}
	return direct, nil
}
