package rollout_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
)

// fleet [applies=N] [applying=N] [guard=LIMIT] [suspend[=DURATION]] [resume] | gone: the fleet that the
// group comes from.
func verbFleet(w *world, d *datadriven.TestData) string {
	if bare(d, 0) == "gone" {
		w.fleet = nil
		return "prod is gone"
	}
	fleet := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: "prod"}}
	if w.fleet != nil {
		fleet = w.fleet.DeepCopy()
	}
	w.fleet = fleet
	w.editGroup(func(g *v1alpha1.ServerGroup) { g.Labels = map[string]string{v1alpha1.LabelFleet: "prod"} })
	for _, arg := range d.CmdArgs {
		value := ""
		if len(arg.Vals) > 0 {
			value = arg.Vals[0]
		}
		switch arg.Key {
		case "applies":
			fleet.Status.Applies, fleet.Status.Applying = int64(numberOf(value)), nil
		case "applying":
			fleet.Status.Applying = &v1alpha1.ApplyingRevision{Revision: "main@sha1:41d0e77", Commit: "41d0e77", Number: int64(numberOf(value))}
		case "guard":
			limit := intstr.Parse(value)
			fleet.Spec.Guard.MaxRepaves = &limit
		case "suspend":
			fleet.Spec.Suspend, fleet.Spec.Reason = true, "incident 12"
			if value != "" {
				until := metav1.NewTime(w.now.Add(duration(value)))
				fleet.Spec.SuspendUntil = &until
			}
		case "resume":
			fleet.Spec.Suspend, fleet.Spec.SuspendUntil, fleet.Spec.Reason = false, nil, ""
		}
	}
	return fmt.Sprintf("prod: %d applies", fleet.Status.Applies)
}
