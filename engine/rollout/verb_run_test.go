package rollout_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
)

// run [rounds=N]: decide, and let every Operation succeed ten minutes later, again and again until nothing
// happens any more; time goes to where the group wants to be looked at again.
func verbRun(w *world, d *datadriven.TestData) string {
	var out strings.Builder
	for range numberOf(word(d, "rounds", "200")) {
		decision := w.confirmed(w.snapshot())
		w.last = decision
		changed := w.write(&decision.Status)
		w.carryOut(&decision)
		var took []string
		for _, op := range decision.Create {
			took = append(took, op.Spec.ServerRef.Name)
		}
		if len(took) > 0 {
			fmt.Fprintf(&out, "%s %s: %s\n", w.now.Format(time.TimeOnly), decision.Create[0].Annotations["stargate.io/wave"], strings.Join(took, " "))
		}
		moved := changed
		for _, name := range slices.Sorted(maps.Keys(w.ops)) {
			if w.ops[name].Labels[v1alpha1.LabelGroup] != "" && !w.ops[name].Status.Phase.Terminal() {
				before := w.ops[name]
				w.through(name, v1alpha1.OperationSucceeded, "")
				moved = moved || w.ops[name] != before
			}
		}
		switch {
		case len(took) > 0:
			w.now = w.now.Add(10 * time.Minute)
		case moved:
		case !decision.Wake.IsZero():
			w.now = decision.Wake
		default:
			return out.String() + "quiet at " + w.now.Format(time.TimeOnly)
		}
	}
	return out.String() + "to be continued at " + w.now.Format(time.TimeOnly)
}
