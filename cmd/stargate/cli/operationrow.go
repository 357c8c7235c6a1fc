package cli

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// barWidth of a progress bar in a table.
const barWidth = 20

func asOperation(object client.Object) *v1alpha1.Operation {
	op, ok := object.(*v1alpha1.Operation)
	if !ok {
		return &v1alpha1.Operation{}
	}
	return op
}

func operationRow(object client.Object, v view) []render.Cell {
	op := asOperation(object)
	progress := progressOf(op)
	text := progress.text
	if progress.bar && v.style.Terminal {
		text = render.Bar(op.Status.Progress, barWidth) + " " + text
	}
	row := []render.Cell{
		cell(op.Name), cell(op.Spec.ServerRef.Name), cell(string(op.Spec.Operation)),
		{Text: render.Or(string(op.Status.Phase), none), Colour: phaseColour(op)},
		cell(render.Age(op.CreationTimestamp.Time, v.now)), {Text: render.Or(text, none), Colour: progress.colour},
	}
	if !v.wide {
		return row
	}
	dc, commit, attempt, until := "", "", "", ""
	if op.Status.DecidedOn != nil {
		dc, commit = op.Status.DecidedOn.Datacenter, op.Status.DecidedOn.Commit
	}
	if last := op.Status.LastAttempt(); last != nil {
		attempt = fmt.Sprint(last.Number)
	}
	if len(op.Status.Holds) > 0 && op.Status.Holds[0].Until != nil {
		until = op.Status.Holds[0].Until.UTC().Format(time.RFC3339)
	}
	return append(row, cell(dc), cell(attempt), cell(op.Status.DCJobID), cell(until), cell(commit), cell(op.Status.Message))
}

// progress says in a few words where an Operation stands within its phase.
type progress struct {
	text   string
	colour render.Colour
	bar    bool // a bar in front of it makes sense
}

func progressOf(op *v1alpha1.Operation) progress {
	status := &op.Status
	switch {
	case status.Phase.Terminal():
		return endOf(op)
	case parked(op):
		return progress{text: "outcome unknown: stargate resolve operation " + op.Name, colour: render.Held}
	case heldNow(op):
		return progress{text: heldBy(status.Holds), colour: render.Held}
	case op.Spec.Cancel:
		return progress{text: "cancelling", colour: render.Held}
	case status.Phase == v1alpha1.OperationRunning:
		return progress{text: strings.TrimSpace(fmt.Sprintf("%3d%% %s", status.Progress, status.Stage)), colour: render.Busy, bar: true}
	case untaken(op):
		return progress{text: "waits for a controller"}
	}
	return progress{text: "starting"}
}

// endOf says why an Operation ended otherwise than was asked.
func endOf(op *v1alpha1.Operation) progress {
	if op.Status.Phase == v1alpha1.OperationSucceeded {
		if op.Status.StartTime == nil || op.Status.CompletionTime == nil {
			return progress{}
		}
		return progress{text: "in " + render.Age(op.Status.StartTime.Time, op.Status.CompletionTime.Time)}
	}
	colour := render.Bad
	if op.Status.Phase == v1alpha1.OperationCancelled {
		colour = render.Plain
	}
	failed := meta.FindStatusCondition(op.Status.Conditions, v1alpha1.ConditionFailed)
	// "Cancelled Cancelled" says nothing more.
	if failed != nil && failed.Reason != string(op.Status.Phase) {
		return progress{text: failed.Reason, colour: colour}
	}
	return progress{}
}

// heldNow tells whether holds keep it waiting. Holds of an earlier generation say nothing of now.
func heldNow(op *v1alpha1.Operation) bool {
	return !op.Status.Phase.Terminal() && len(op.Status.Holds) > 0 && op.Status.ObservedGeneration >= op.Generation
}

// heldBy names the first hold, and how many more there are.
func heldBy(holds []v1alpha1.Hold) string {
	text := "held: " + holds[0].Reason + " by " + holds[0].Source
	if more := len(holds) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// untaken tells whether no controller has written anything about it yet.
func untaken(op *v1alpha1.Operation) bool {
	return op.Status.ObservedGeneration == 0 && len(op.Status.Conditions) == 0
}

// parked tells whether the site cannot tell what became of a request, so that a person must.
func parked(op *v1alpha1.Operation) bool {
	condition := meta.FindStatusCondition(op.Status.Conditions, v1alpha1.ConditionDispatched)
	return !op.Status.Phase.Terminal() && condition != nil && condition.Status == metav1.ConditionUnknown
}

func phaseColour(op *v1alpha1.Operation) render.Colour {
	switch op.Status.Phase {
	case v1alpha1.OperationSucceeded:
		return render.Good
	case v1alpha1.OperationFailed, v1alpha1.OperationDenied:
		return render.Bad
	case v1alpha1.OperationRunning:
		return render.Busy
	default:
		return render.Plain
	}
}

// operationChange is an Operation in one line of a log.
func operationChange(object client.Object, _ view) string {
	op := asOperation(object)
	words := []string{op.Spec.ServerRef.Name, string(op.Spec.Operation), render.Or(string(op.Status.Phase), "Created")}
	if text := strings.TrimSpace(progressOf(op).text); text != "" {
		words = append(words, text)
	}
	if message := op.Status.Message; message != "" && (op.Status.Phase.Terminal() || heldNow(op)) && op.Status.Phase != v1alpha1.OperationSucceeded {
		words = append(words, "("+message+")")
	}
	return strings.Join(words, " ")
}
