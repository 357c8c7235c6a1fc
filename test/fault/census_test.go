package fault

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// TestBlindLeader: a leader fails a server and dies. The watch of the replica that leads then has not told
// of that, and shows the server as it was. It must count it nevertheless: nothing else of that rack may be
// taken, though elsewhere work goes on.
func TestBlindLeader(t *testing.T) {
	r := newRoom(t, site.Config{Duration: 500 * time.Millisecond, Faults: []site.Fault{{Kind: site.FailJob, Stage: "install", Server: serverName(1), Count: 1}}}, nil)
	policy := &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: r.namespace + "-rack"},
		Spec: v1alpha1.PolicySpec{Match: v1alpha1.Match{Namespaces: []string{r.namespace}}, Rules: []v1alpha1.Rule{{
			Name: "one-of-a-rack", Expression: `fleet.unavailable({"rack": server.labels.rack}) < 1`, Effect: v1alpha1.EffectHold}}}}
	r.create(policy)
	t.Cleanup(func() { _ = r.live.Delete(context.Background(), policy) })
	for n, rack := range []string{"a", "a", "b", "b"} {
		object := server(r.namespace, n+1)
		object.Labels = map[string]string{"rack": rack}
		r.create(object)
	}
	first := r.startWith(childOptions{Namespaces: []string{r.namespace}, Lease: lease})
	leader := r.holder("")
	blind := r.anotherProxy()
	r.startWith(childOptions{APIServer: blind.URL(), Namespaces: []string{r.namespace}, Lease: lease})
	// It asks for the lead once its caches are filled.
	r.until("the second has seen the servers", func() bool { return blind.Counts()["get leases"] > 0 })
	blind.FreezeOnly("servers")

	fails, waits := operation(r.namespace, "fails", 1, v1alpha1.ActionRepave), operation(r.namespace, "waits", 2, v1alpha1.ActionRepave)
	r.create(fails)
	r.until("the first runs", func() bool { return r.phase(fails) == v1alpha1.OperationRunning })
	r.create(waits)
	r.until("a server has failed", func() bool { return r.phase(fails) == v1alpha1.OperationFailed && r.settled(fails) })
	r.until("another waits for that", func() bool { return r.see(waits) && len(waits.Status.Holds) > 0 })
	if err := first.kill(); err != nil {
		t.Fatal(err)
	}
	r.holder(leader)
	for _, elsewhere := range []*v1alpha1.Operation{
		operation(r.namespace, "elsewhere", 3, v1alpha1.ActionInspect), operation(r.namespace, "later", 4, v1alpha1.ActionInspect),
	} {
		r.create(elsewhere)
		r.until(elsewhere.Name+" is done", func() bool { return r.phase(elsewhere) == v1alpha1.OperationSucceeded })
	}
	if err := r.live.Get(context.Background(), client.ObjectKeyFromObject(waits), waits); err != nil {
		t.Fatal(err)
	}
	if made := jobsOf(r.jobs(), waits); len(made) > 0 || len(waits.Status.Attempts) > 0 {
		t.Fatalf("%d jobs and attempts %+v of %s, while another server of its rack has failed", len(made), waits.Status.Attempts, waits.Name)
	}

	blind.Thaw()
	r.release(fails)
	again := operation(r.namespace, "again", 1, v1alpha1.ActionRepave)
	r.create(again)
	r.until("what waited is done", func() bool { return r.phase(waits) == v1alpha1.OperationSucceeded && r.settled(waits) })
}
