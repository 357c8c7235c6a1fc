package cluster_test

import (
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	incluster "stargate.io/stargate/cmd/simulator/cluster"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/simulator"
	"stargate.io/stargate/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

const token = "token-1"

// world is a namespace whose datacenter the simulator has registered, and whose machines are as the test says.
type world struct {
	*testing.T
	kube      client.Client
	namespace string
	machines  atomic.Pointer[[]simulator.Status]
}

func newWorld(t *testing.T) *world {
	c := cluster.Shared(t)
	kube, err := client.New(c.Config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, kube: kube, namespace: c.Namespace(t)}
	w.machines.Store(&[]simulator.Status{})
	dc := site.New(site.Config{Duration: 100 * time.Millisecond, Token: token})
	server := httptest.NewServer(dc)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		incluster.Run(t.Context(), incluster.Config{
			RESTConfig: c.Config, Namespace: w.namespace, Datacenter: incluster.DefaultDatacenter, Endpoint: server.URL, Token: token,
			Machines: func() []simulator.Status { return *w.machines.Load() }, Log: testr.New(t),
		})
	}()
	t.Cleanup(func() { <-ended; server.Close(); dc.Close() })
	return w
}

func (w *world) create(objects ...client.Object) {
	w.Helper()
	for _, object := range objects {
		if err := w.kube.Create(w.Context(), object); err != nil {
			w.Fatal(err)
		}
	}
}

// until reads an object until it is as it should be.
func (w *world) until(object client.Object, what string, is func() bool) {
	w.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := w.kube.Get(w.Context(), client.ObjectKeyFromObject(object), object); err == nil && is() {
			return
		}
		select {
		case <-deadline.C:
			w.Fatalf("%s never was %s: %+v", object.GetName(), what, object)
		case <-tick.C:
		}
	}
}

func (w *world) server() *v1alpha1.Server {
	return &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "server-001"},
		Spec: v1alpha1.ServerSpec{MAC: "52:54:00:00:00:01", IPv4: "192.168.100.11"}}
}

// TestOperationOfItsNamespace: with nothing but a kubeconfig the datacenter is there, its credentials with it, and an
// Operation runs to its end.
func TestOperationOfItsNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: incluster.DefaultDatacenter}}
	w.until(dc, "reachable", func() bool { return meta.IsStatusConditionTrue(dc.Status.Conditions, v1alpha1.ConditionReady) })
	w.create(w.server(),
		&v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "os"},
			Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: "1.0.0", OSImage: "https://images.example.com/1.img"}})
	op := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "repave"},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "server-001"},
			ProvisioningProfileRef: &v1alpha1.LocalReference{Name: "os"}, Operation: v1alpha1.ActionRepave}}
	w.create(op)
	w.until(op, "Succeeded", func() bool { return op.Status.Phase == v1alpha1.OperationSucceeded })
}

// TestMachineOnItsServer: how a machine is stands on its Server, and only on the one that it was made for.
func TestMachineOnItsServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.server()
	w.create(server)
	is := func(condition simulator.Condition, uid, message string) {
		w.machines.Store(&[]simulator.Status{{Server: simulator.Server{Name: server.Name, UID: uid}, Health: simulator.Health{Condition: condition, Message: message}}})
	}
	has := func(kind string, status metav1.ConditionStatus, reason, message string) func() bool {
		return func() bool {
			got := meta.FindStatusCondition(server.Status.Conditions, kind)
			return got != nil && got.Status == status && got.Reason == reason && got.Message == message
		}
	}
	is(simulator.Dead, string(server.UID), "its process is gone")
	w.until(server, "said to be dead", has(v1alpha1.ConditionMachineHealthy, metav1.ConditionFalse, "Dead", "its process is gone"))
	w.until(server, "unhealthy", has(v1alpha1.ConditionHealthy, metav1.ConditionFalse, v1alpha1.ReasonMachineUnhealthy, "Dead: its process is gone"))

	is(simulator.Hung, "another", "of the Server that had the name before")
	is(simulator.Healthy, string(server.UID), "")
	w.until(server, "said to be well", has(v1alpha1.ConditionMachineHealthy, metav1.ConditionTrue, "Healthy", ""))
	w.until(server, "healthy", func() bool { return meta.IsStatusConditionTrue(server.Status.Conditions, v1alpha1.ConditionHealthy) })
}
