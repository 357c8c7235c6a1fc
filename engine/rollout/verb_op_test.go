package rollout_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// op SERVER by-hand | cancel | delete: a person makes an Operation of their own, or ends the rollout's.
func verbOp(w *world, d *datadriven.TestData) string {
	server := bare(d, 0)
	if bare(d, 1) == "by-hand" {
		name := "repave-" + server
		w.ops[name] = &v1alpha1.Operation{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "dc-west", UID: w.uid()},
			Spec:       v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: server}, Operation: v1alpha1.ActionRepave},
			Status:     v1alpha1.OperationStatus{Phase: v1alpha1.OperationPending},
		}
		return name + " made by hand"
	}
	name := w.opOf(server)
	if name == "" {
		return "no live Operation on " + server
	}
	switch bare(d, 1) {
	case "cancel":
		w.editOp(name, func(op *v1alpha1.Operation) { op.Spec.Cancel = true })
		w.lookAt(name)
	case "delete":
		delete(w.ops, name)
	}
	return fmt.Sprintf("%s: %s", name, bare(d, 1))
}

// opOf gives the live Operation on a server, the rollout's first; empty for none.
func (w *world) opOf(server string) string {
	found := ""
	for name, op := range w.ops {
		if op.Spec.ServerRef.Name == server && !op.Status.Phase.Terminal() && (found == "" || op.Labels[v1alpha1.LabelGroup] != "") {
			found = name
		}
	}
	return found
}
