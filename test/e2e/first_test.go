package e2e

import (
	"testing"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
)

func TestRepave(t *testing.T) {
	w := NewWorld(t)
	namespace, dc := w.Datacenter(site.Config{Duration: 300 * time.Millisecond}, nil)
	w.Run(engine.Options{Namespaces: []string{namespace}})
	op := Repave(namespace, "repave", "server-001", "os")
	w.Create(Profile(namespace, "os", "2.0.0"), Server(namespace, 1), op)
	w.UntilPhase(op, v1alpha1.OperationSucceeded)
	server := Server(namespace, 1)
	w.Until(server, "ready", func() bool { return server.Status.State == v1alpha1.ServerReady })
	if server.Status.CurrentOS != "2.0.0" || server.Status.ActiveOperation != nil {
		t.Errorf("server is %+v", server.Status)
	}
	t.Logf("%+v", dc.Record())
	t.Logf("%+v", op.Status)
}
