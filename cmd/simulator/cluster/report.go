package cluster

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/simulator"
)

// every so often the machines are looked at.
const every = 2 * time.Second

// maxMessage of a condition, in bytes; the kind allows 32,768.
const maxMessage = 1024

// said is what a Server was last told of its machine.
type said struct{ uid, reason, message string }

// report tells each Server how its machine is, until the context ends or the cluster fails. A machine that is well, and of
// which nothing else was said before, costs one read.
func (c Config) report(ctx context.Context) error {
	direct, err := c.client()
	if err != nil {
		return err
	}
	told := map[string]said{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for _, machine := range c.Machines() {
			condition, known := conditionOf(machine)
			now := said{machine.Server.UID, condition.Reason, condition.Message}
			if !known || told[machine.Server.Name] == now {
				continue
			}
			if err := c.tell(ctx, direct, machine.Server, condition); err != nil {
				return err
			}
			told[machine.Server.Name] = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// conditionOf a machine. False while a job is on it: nothing is said of it then.
func conditionOf(machine simulator.Status) (metav1.Condition, bool) {
	health := machine.Health
	message := health.Message
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	condition := metav1.Condition{Type: v1alpha1.ConditionMachineHealthy, Status: metav1.ConditionFalse, Reason: string(health.Condition), Message: message}
	switch health.Condition {
	case simulator.Busy, "":
		return condition, false
	case simulator.Healthy, simulator.Off:
		condition.Status = metav1.ConditionTrue
	case simulator.Dead, simulator.Hung, simulator.Unreachable, simulator.Paused, simulator.BootLoop, simulator.Quarantined:
	}
	return condition, true
}

// tell a Server, if it is the one that the machine was made for, and does not know it.
func (c Config) tell(ctx context.Context, direct client.Client, of simulator.Server, condition metav1.Condition) error {
	server := &v1alpha1.Server{}
	key := types.NamespacedName{Namespace: c.Namespace, Name: of.Name}
	if err := direct.Get(ctx, key, server); err != nil {
		return client.IgnoreNotFound(err)
	}
	if of.UID != "" && of.UID != string(server.UID) || !news(server, &condition) {
		return nil
	}
	err := direct.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(patchOf(server, condition)), client.FieldOwner(fieldManager), client.ForceOwnership)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("saying on Server %s how its machine is: %w", key, err)
	}
	return nil
}

// news tells whether a condition is any to a Server, and fills in since when it is so. That a machine is well, of which
// nothing was ever said, is none.
func news(server *v1alpha1.Server, condition *metav1.Condition) bool {
	condition.LastTransitionTime = metav1.Now()
	before := meta.FindStatusCondition(server.Status.Conditions, condition.Type)
	if before == nil {
		return condition.Status != metav1.ConditionTrue
	}
	if before.Status == condition.Status {
		condition.LastTransitionTime = before.LastTransitionTime
	}
	return before.Status != condition.Status || before.Reason != condition.Reason || before.Message != condition.Message
}

// patchOf has the one condition, and the UID: of another Server of that name it is refused.
func patchOf(server *v1alpha1.Server, condition metav1.Condition) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Server",
		"metadata": map[string]any{"namespace": server.Namespace, "name": server.Name, "uid": string(server.UID)},
		"status": map[string]any{"conditions": []any{map[string]any{
			"type": condition.Type, "status": string(condition.Status), "reason": condition.Reason, "message": condition.Message,
			"lastTransitionTime": condition.LastTransitionTime.UTC().Format(time.RFC3339),
		}}},
	}}
}
