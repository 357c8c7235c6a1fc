package rollout_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/equality"

	"stargate.io/stargate/engine/rollout"
)

// decide [crash] [conflict]: one pass of the group's controller. crash: it dies once the status is written;
// conflict: somebody else wrote it first, and nothing is done.
func verbDecide(w *world, d *datadriven.TestData) string {
	decision := w.confirmed(w.snapshot())
	w.last = decision
	if d.HasArg("conflict") {
		return describeDecision(w, &decision) + "conflict: nothing is done"
	}
	changed := w.write(&decision.Status)
	if d.HasArg("crash") {
		return describeDecision(w, &decision) + "crash: nothing is made"
	}
	w.carryOut(&decision)
	text := describeDecision(w, &decision)
	if !changed && len(decision.Create)+len(decision.Cancel) == 0 && text == "" {
		text = "nothing to do" + describeWake(w, &decision)
	}
	return text + again(w)
}

// again decides once more, and says where that is not the same.
func again(w *world) string {
	second := w.confirmed(w.snapshot())
	if !equality.Semantic.DeepEqual(stored(&second.Status), &w.group.Status) {
		third := stored(&second.Status)
		// What was seen of an Operation just made is written once.
		for i := range third.InFlight {
			if i < len(w.group.Status.InFlight) {
				third.InFlight[i].Made = w.group.Status.InFlight[i].Made
			}
		}
		if !equality.Semantic.DeepEqual(third, &w.group.Status) {
			return "NOT THE SAME AGAIN"
		}
	}
	return ""
}

func describeDecision(w *world, d *rollout.Decision) string {
	var out strings.Builder
	for _, op := range d.Create {
		fmt.Fprintf(&out, "create %s (%s, wave %s)\n", op.Name, op.Annotations[rollout.AnnotationRevision], op.Annotations[rollout.AnnotationWave])
	}
	for _, name := range d.Cancel {
		fmt.Fprintf(&out, "cancel %s\n", name)
	}
	for _, name := range d.Confirm {
		fmt.Fprintf(&out, "confirm %s\n", name)
	}
	for _, event := range d.Events {
		kind := "event"
		if event.Warning {
			kind = "warning"
		}
		fmt.Fprintf(&out, "%s %s: %s\n", kind, event.Reason, event.Message)
	}
	if out.Len() > 0 && !d.Wake.IsZero() {
		fmt.Fprintf(&out, "again%s\n", describeWake(w, d))
	}
	return out.String()
}

func describeWake(w *world, d *rollout.Decision) string {
	if d.Wake.IsZero() {
		return ""
	}
	return fmt.Sprintf(" at %s, in %s", d.Wake.UTC().Format(time.TimeOnly), d.Wake.Sub(w.now))
}
