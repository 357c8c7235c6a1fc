package cli

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// fleetReport is what `stargate fleet status -o json` prints.
type fleetReport struct {
	render.Header
	Name          string                     `json:"name"`
	URL           string                     `json:"url"`
	Ref           string                     `json:"ref"`
	Path          string                     `json:"path,omitempty"`
	Ready         string                     `json:"ready"`
	Note          string                     `json:"note,omitempty"`
	Message       string                     `json:"message,omitempty"`
	Applied       string                     `json:"applied,omitempty"`
	AppliedAt     *metav1.Time               `json:"appliedAt,omitempty"`
	Attempted     string                     `json:"attempted,omitempty"`
	Suspended     bool                       `json:"suspended"`
	Pending       *v1alpha1.PendingRevision  `json:"pending,omitempty"`
	Applying      *v1alpha1.ApplyingRevision `json:"applying,omitempty"`
	Inventory     *v1alpha1.FleetInventory   `json:"inventory,omitempty"`
	Errors        []v1alpha1.SourceError     `json:"errors"`
	Held          []v1alpha1.Hold            `json:"held"`
	Groups        []groupSummary             `json:"groups"`
	History       []v1alpha1.FleetRecord     `json:"history"`
	fleet         *v1alpha1.Fleet
	groups        []*v1alpha1.ServerGroup
	reason        string
	awaitsPerson  bool
	appliedRecord v1alpha1.FleetRecord
}

// groupSummary is a group in a few numbers.
type groupSummary struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	State     rolloutState `json:"state"`
	Revision  string       `json:"revision,omitempty"`
	Wave      string       `json:"wave,omitempty"`
	Servers   int32        `json:"servers"`
	Updated   int32        `json:"updated"`
	Active    int32        `json:"active"`
	Failed    int32        `json:"failed"`
	Note      string       `json:"note,omitempty"`
}

func summaryOf(group *v1alpha1.ServerGroup) groupSummary {
	status := &group.Status
	note, _ := groupNote(group)
	return groupSummary{group.Namespace, group.Name, stateOf(group), status.Revision.Name, status.Wave,
		status.Servers, status.Updated, status.Active, status.Failed, render.Clean(note)}
}

func fleetReportOf(fleet *v1alpha1.Fleet, groups []*v1alpha1.ServerGroup) *fleetReport {
	status := &fleet.Status
	ready, _ := conditionWord(status.Conditions, v1alpha1.ConditionReady)
	note, _ := fleetNote(fleet)
	report := &fleetReport{
		Header: render.HeaderOf("FleetStatus"), Name: fleet.Name, URL: fleet.Spec.URL, Ref: refWords(fleet.Spec.Ref), Path: fleet.Spec.Path,
		Ready: ready, Note: render.Clean(note), Message: render.Clean(fleetMessage(fleet)), Applied: status.LastAppliedRevision,
		AppliedAt: status.LastAppliedAt, Attempted: status.LastAttemptedRevision, Suspended: fleet.Spec.Suspend,
		Pending: status.Pending, Applying: status.Applying, Inventory: status.Inventory,
		Errors: slices.Concat([]v1alpha1.SourceError{}, status.Errors), Held: slices.Concat([]v1alpha1.Hold{}, status.Holds),
		Groups: []groupSummary{}, History: slices.Concat([]v1alpha1.FleetRecord{}, status.History),
		fleet: fleet, groups: groups, awaitsPerson: pendingNow(fleet), appliedRecord: recordOf(fleet, status.LastAppliedRevision),
	}
	if condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); condition != nil {
		report.reason = condition.Reason
	}
	for _, group := range groups {
		report.Groups = append(report.Groups, summaryOf(group))
	}
	return report
}

// fleetLines lay a report out.
func (a *App) fleetLines(r *fleetReport) []string {
	lines := a.fleetHead(r)
	if r.Pending != nil {
		lines = append(lines, a.pendingLines(r)...)
	}
	lines = append(lines, a.errorLines(r)...)
	if r.Pending == nil {
		lines = append(lines, a.holdLines(r.Held)...)
	}
	if len(r.groups) > 0 {
		laid := render.Table{Header: []string{"NAMESPACE", "GROUP", "PROFILE", "UPDATED", "WAVE", "NOTE"}}
		for _, group := range r.groups {
			note, colour := groupNote(group)
			laid.Rows = append(laid.Rows, []render.Cell{
				cell(group.Namespace), cell(group.Name), cell(group.Spec.ProvisioningProfileRef.Name),
				cell(fmt.Sprintf("%d/%d", group.Status.Updated, group.Status.Servers)), cell(group.Status.Wave), {Text: note, Colour: colour},
			})
		}
		lines = append(lines, "")
		lines = append(lines, laid.Lines(a.style, 0)...)
	}
	if len(r.History) > 0 {
		lines = append(lines, "")
		lines = append(lines, a.commitTable(r.History).Lines(a.style, 0)...)
	}
	return lines
}

// word for where the fleet stands.
func (r *fleetReport) word() (string, render.Colour) {
	switch {
	case r.Ready == "True":
		return "READY", render.Good
	case r.Suspended:
		return "SUSPENDED", render.Held
	case r.awaitsPerson:
		return "WAITS FOR YOU", render.Held
	case r.Ready == none:
		return "NOT LOOKED AT YET", render.Plain
	case len(r.Errors) > 0:
		return "REFUSED", render.Bad
	case r.Applying != nil:
		return "APPLYING", render.Busy
	case r.reason == v1alpha1.ReasonRollingOut:
		return "ROLLING OUT", render.Busy
	}
	return "NOT READY", render.Held
}

// fleetHead says what the fleet is, and which commit it has.
func (a *App) fleetHead(r *fleetReport) []string {
	word, colour := r.word()
	where := render.Clean(r.URL) + ", " + render.Clean(r.Ref)
	if r.Path != "" {
		where += ", path " + render.Clean(r.Path)
	}
	lines := []string{fmt.Sprintf("%s   %s   %s", a.style.Paint(colour, word), r.Name, where)}
	applied := "nothing yet"
	if r.Applied != "" {
		applied = a.commitWords(r.Applied, r.appliedRecord)
		if r.AppliedAt != nil {
			applied += ", " + render.Age(r.AppliedAt.Time, a.now()) + " ago"
		}
	}
	lines = append(lines, "  applied    "+applied)
	if r.Attempted != "" && r.Attempted != r.Applied {
		lines = append(lines, "  last read  "+a.commitWords(r.Attempted, recordOf(r.fleet, r.Attempted)))
	}
	if r.Inventory != nil {
		lines = append(lines, "  objects    "+inventoryWords(r.Inventory))
	}
	// Who waits for an approval is told by the lines that follow.
	if r.Message != "" && r.Pending == nil {
		lines = append(lines, "  "+r.Message)
	}
	return lines
}

// commitWords say `main@9f1c2ab "web to 2.1.0" by Ann, signed by …`.
func (a *App) commitWords(revision string, record v1alpha1.FleetRecord) string {
	text := shortRevision(revision)
	if record.Subject != "" {
		text += fmt.Sprintf(" %q", record.Subject)
	}
	for _, part := range []struct{ word, who string }{{" by ", record.Author}, {", signed by ", record.SignedBy}, {", approved by ", record.ApprovedBy}} {
		if part.who != "" {
			text += part.word + part.who
		}
	}
	return render.Clean(text)
}

func inventoryWords(inventory *v1alpha1.FleetInventory) string {
	text := fmt.Sprint(inventory.Objects)
	for i, kind := range inventory.Kinds {
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		text += fmt.Sprintf("%s%d %s", separator, kind.Count, kind.Kind)
	}
	return text
}

func (a *App) pendingLines(r *fleetReport) []string {
	pending := r.Pending
	lines := []string{fmt.Sprintf("  %s  commit %s since %s: %s, %s", a.style.Paint(render.Held, "HELD"), shortCommit(pending.Commit),
		render.Age(pending.Since.Time, a.now()), render.Count(int(pending.Repaves), "repave"), render.Count(int(pending.Deletes), "delete"))}
	if !r.awaitsPerson {
		return append(lines, "  approved; a controller takes it up")
	}
	lines = append(lines, "    "+render.Clean(pending.Message))
	return append(lines, fmt.Sprintf("  To let it pass: %s approve fleet %s --commit %s --reason …", a.name, r.Name, shortCommit(pending.Commit)))
}

// errorLines say what is wrong in which file and line.
func (a *App) errorLines(r *fleetReport) []string {
	if len(r.Errors) == 0 {
		return nil
	}
	lines := []string{"  " + a.style.Paint(render.Bad, "Errors")}
	for _, each := range r.Errors[:min(len(r.Errors), listed)] {
		lines = append(lines, "    "+errorLine(each))
	}
	return append(lines, moreLines(len(r.Errors))...)
}

func errorLine(e v1alpha1.SourceError) string {
	place := e.Path
	if e.Line > 0 {
		place += fmt.Sprintf(":%d", e.Line)
	}
	if e.Line > 0 && e.Column > 0 {
		place += fmt.Sprintf(":%d", e.Column)
	}
	return render.Clean(place + ": " + e.Message)
}

func (a *App) commitTable(history []v1alpha1.FleetRecord) render.Table {
	laid := render.Table{Header: []string{"REVISION", "RESULT", "WHEN", "CREATED", "CHANGED", "PRUNED", "AUTHOR", "SUBJECT"}}
	for _, record := range history {
		laid.Rows = append(laid.Rows, []render.Cell{
			cell(shortRevision(record.Revision)), {Text: render.Or(string(record.Result), none), Colour: fleetResultColour(record.Result)},
			cell(a.ago(atOrNil(record.At.Time))), number(int(record.Created), render.Plain), number(int(record.Changed), render.Plain),
			number(int(record.Pruned), render.Plain), cell(record.Author), cell(record.Subject),
		})
	}
	return laid
}

func atOrNil(at time.Time) *metav1.Time {
	if at.IsZero() {
		return nil
	}
	return &metav1.Time{Time: at}
}

func fleetResultColour(result v1alpha1.FleetResult) render.Colour {
	switch result {
	case v1alpha1.FleetApplied:
		return render.Good
	case v1alpha1.FleetRefused, v1alpha1.FleetFailed:
		return render.Bad
	case v1alpha1.FleetPending:
		return render.Held
	case v1alpha1.FleetSuperseded:
	}
	return render.Plain
}
