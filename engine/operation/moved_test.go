package operation_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// A Datacenter that is given another endpoint while a request is in doubt: the new site has never
// heard of the request, and its "no" must not lead to a second job.
func TestAnotherEndpointInDoubtIsNotAsked(t *testing.T) {
	for name, stop := range map[string]string{"dispatching": "", "stopping": v1alpha1.ReasonCancelled} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			op := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Name: "reboot", Namespace: "dc-west", UID: "op-1", Generation: 1, Finalizers: []string{v1alpha1.Finalizer}}}
			op.Spec = v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "server-001"}, Operation: v1alpha1.ActionReboot}
			server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: "server-001", Namespace: "dc-west", UID: "server-1"}}
			server.Status.ActiveOperation = &v1alpha1.ActiveOperation{Name: op.Name, UID: string(op.UID)}
			op.Status = v1alpha1.OperationStatus{Phase: v1alpha1.OperationPending,
				Attempts:  []v1alpha1.Attempt{{Number: 1, RequestID: "op-1-1", By: "another", StartedAt: metav1.NewMicroTime(now), StopReason: stop}},
				DecidedOn: &v1alpha1.DecidedOn{ServerUID: "server-1", IdentityHash: operation.IdentityHash(&server.Spec), Datacenter: "dc", EndpointHash: "0123456789abcdef"}}
			effect := operation.Decide(operation.Snapshot{Now: now.Add(time.Second), Process: "this", Operation: op, Server: server,
				Site: operation.Site{Name: "dc", Endpoint: "https://elsewhere.example.com"}})
			write, ok := effect.(operation.WriteStatus)
			if !ok {
				t.Fatalf("got %T %+v, want the Operation parked", effect, effect)
			}
			if c := meta.FindStatusCondition(write.Status.Conditions, v1alpha1.ConditionDispatched); c == nil || c.Status != metav1.ConditionUnknown {
				t.Errorf("condition Dispatched is %+v, want Unknown", c)
			}
		})
	}
}
