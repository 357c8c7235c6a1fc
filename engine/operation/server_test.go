package operation_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// TestMachineHealth: what is said of the machine itself becomes the Server's health, with one write when it changes and none
// while it does not, and gives way to what is worse.
func TestMachineHealth(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC))
	server := &v1alpha1.Server{Status: v1alpha1.ServerStatus{State: v1alpha1.ServerReady, CurrentOS: "2"}}
	operation.SummariseServer(&server.Status, 0, nil, now)
	say := func(status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&server.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionMachineHealthy, Status: status, Reason: reason, Message: message})
	}
	for _, step := range []struct {
		name           string
		say            func()
		conflicts      []string
		written        bool
		healthy, ready string // reasons; "" where the condition is True
	}{
		{"well", func() { say(metav1.ConditionTrue, "Healthy", "") }, nil, false, "", ""},
		{"dead", func() { say(metav1.ConditionFalse, "Dead", "its process is gone") }, nil, true, "MachineUnhealthy", "MachineUnhealthy"},
		{"still dead", func() {}, nil, false, "MachineUnhealthy", "MachineUnhealthy"},
		{"hung instead", func() { say(metav1.ConditionFalse, "Hung", "it says nothing") }, nil, true, "MachineUnhealthy", "MachineUnhealthy"},
		{"and not alone", func() {}, []string{"server-002"}, true, "IdentityConflict", "IdentityConflict"},
		{"alone again", func() {}, nil, true, "MachineUnhealthy", "MachineUnhealthy"},
		{"quarantined", func() { server.Status.Quarantine = &v1alpha1.Quarantine{UID: "q"} }, nil, true, "Quarantined", "Quarantined"},
		{"released", func() { server.Annotations = map[string]string{v1alpha1.AnnotationRelease: "q"} }, nil, true, "MachineUnhealthy", "MachineUnhealthy"},
		{"nobody can tell", func() { say(metav1.ConditionUnknown, "Unknown", "") }, nil, true, "", ""},
	} {
		step.say()
		status := operation.DecideServer(server, nil, step.conflicts, false, now)
		if step.name == "quarantined" {
			// Who puts it there writes the conditions with it.
			status = server.Status.DeepCopy()
			operation.SummariseServer(status, 0, nil, now)
		}
		if (status != nil) != step.written {
			t.Fatalf("%s: written: %t, want %t", step.name, status != nil, step.written)
		}
		if status != nil {
			server.Status = *status
		}
		for kind, want := range map[string]string{v1alpha1.ConditionHealthy: step.healthy, v1alpha1.ConditionReady: step.ready} {
			got := meta.FindStatusCondition(server.Status.Conditions, kind)
			if want == "" && got.Status != metav1.ConditionTrue || want != "" && (got.Status != metav1.ConditionFalse || got.Reason != want) {
				t.Errorf("%s: %s is %s, %s (%s); want %q", step.name, kind, got.Status, got.Reason, got.Message, want)
			}
		}
	}
}
