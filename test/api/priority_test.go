package api_test

import (
	"net/http"
	"testing"
	"time"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"stargate.io/stargate/config"
	"stargate.io/stargate/test/cluster"
)

// TestLeaseHasPriority: what the controller asks about its Lease queues with elections, and about all else does not.
func TestLeaseHasPriority(t *testing.T) {
	c := cluster.Shared(t)
	installRBAC(t, c)
	schema, err := clientset(t, c.Config).FlowcontrolV1().FlowSchemas().Get(t.Context(), "stargate-leader-election", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	as := c.As(controller, "system:serviceaccounts", "system:serviceaccounts:"+config.SystemNamespace, "system:authenticated")
	client, err := rest.HTTPClientFor(as)
	if err != nil {
		t.Fatal(err)
	}
	// flow tells which schema the server put a request under.
	flow := func(path string) string {
		answer, err := client.Get(c.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusForbidden {
			t.Fatalf("%s is forbidden", path)
		}
		return answer.Header.Get(flowcontrolv1.ResponseHeaderMatchedFlowSchemaUID)
	}
	const lease = "/apis/coordination.k8s.io/v1/namespaces/" + config.SystemNamespace + "/leases/stargate"
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for got := flow(lease); got != string(schema.UID); got = flow(lease) {
		select {
		case <-deadline.C: // the server takes a new schema up within seconds
			t.Fatalf("the Lease is asked for under schema %s, not %s, which is %s", got, schema.UID, schema.Name)
		case <-tick.C:
		}
	}
	if got := flow("/apis/stargate.io/v1alpha1/servers"); got == string(schema.UID) {
		t.Error("Servers are asked for with the priority of the election")
	}
}
