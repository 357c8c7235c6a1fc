package cli

import (
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

func groupRow(object client.Object, v view) []render.Cell {
	group := asGroup(object)
	status := &group.Status
	note, colour := groupNote(group)
	row := []render.Cell{
		cell(group.Name), cell(group.Spec.ProvisioningProfileRef.Name), cell(fmt.Sprint(status.Servers)),
		cell(fmt.Sprint(status.Updated)), cell(fmt.Sprint(status.Ready)), cell(status.Wave),
		cell(render.Age(group.CreationTimestamp.Time, v.now)), {Text: render.Or(note, none), Colour: colour},
	}
	if !v.wide {
		return row
	}
	until := ""
	if len(status.Holds) > 0 && status.Holds[0].Until != nil {
		until = status.Holds[0].Until.UTC().Format(time.RFC3339)
	}
	return append(row, number(int(status.Unavailable), render.Held), number(int(status.Failed), render.Bad),
		number(int(status.Drifted), render.Held), number(int(status.Skipped), render.Held), cell(status.Revision.Name),
		cell(group.Labels[v1alpha1.LabelFleet]), cell(until), cell(status.Revision.Commit), cell(groupMessage(group)))
}

// groupNote says in a few words where a rollout stands.
func groupNote(group *v1alpha1.ServerGroup) (string, render.Colour) {
	status := &group.Status
	switch state := stateOf(group); state {
	case rolloutUnknown:
		return "waits for a controller", render.Plain
	case rolloutDone:
		return doneNote(status)
	case rolloutStopped:
		return "stopped: " + reasonOf(group), render.Bad
	case rolloutAwaits, rolloutHeld:
		if len(status.Holds) == 0 {
			return "held", render.Held
		}
		return heldBy(status.Holds), render.Held
	default:
		return fmt.Sprintf("rolling out: %d of %d, %d active%s", status.Updated, status.Servers, status.Active, failedWords(status.Failed)), render.Busy
	}
}

// doneNote: up to date, but for what is told.
func doneNote(status *v1alpha1.ServerGroupStatus) (string, render.Colour) {
	var parts []string
	for _, part := range []struct {
		n    int32
		word string
	}{{status.Failed, "failed"}, {status.Drifted, "drifted"}, {status.Skipped, "skipped"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.word))
		}
	}
	switch {
	case status.Failed > 0:
		return strings.Join(parts, ", "), render.Bad
	case len(parts) > 0:
		return strings.Join(parts, ", "), render.Held
	}
	return "up to date", render.Good
}

func failedWords(failed int32) string {
	if failed == 0 {
		return ""
	}
	return fmt.Sprintf(", %d failed", failed)
}

// reasonOf is the reason why a group is not as it should be.
func reasonOf(group *v1alpha1.ServerGroup) string {
	for _, condition := range group.Status.Conditions {
		if condition.Type == v1alpha1.ConditionStalled && condition.Status == "True" {
			return condition.Reason
		}
	}
	if len(group.Status.Holds) > 0 {
		return group.Status.Holds[0].Reason
	}
	return "not ready"
}

// groupChange is a group in one line of a log.
func groupChange(object client.Object, _ view) string {
	group := asGroup(object)
	status := &group.Status
	text := fmt.Sprintf("revision %s  %d of %d updated", render.Or(status.Revision.Name, none), status.Updated, status.Servers)
	if status.Wave != "" {
		text += "  wave " + status.Wave
	}
	note, _ := groupNote(group)
	return text + "  " + note
}

func fleetRow(object client.Object, v view) []render.Cell {
	fleet := asFleet(object)
	ready, colour := conditionWord(fleet.Status.Conditions, v1alpha1.ConditionReady)
	note, noteColour := fleetNote(fleet)
	row := []render.Cell{
		cell(fleet.Name), {Text: ready, Colour: colour}, cell(shortRevision(fleet.Status.LastAppliedRevision)),
		cell(render.Age(fleet.CreationTimestamp.Time, v.now)), {Text: render.Or(note, none), Colour: noteColour},
	}
	if !v.wide {
		return row
	}
	objects := ""
	if fleet.Status.Inventory != nil {
		objects = fmt.Sprint(fleet.Status.Inventory.Objects)
	}
	return append(row, cell(fleet.Spec.URL), cell(refWords(fleet.Spec.Ref)), cell(fleet.Spec.Path),
		cell(fleet.Status.LastAttemptedRevision), cell(objects), cell(fleetMessage(fleet)))
}

// shortRevision cuts the commit of "main@sha1:9f1c2ab…" to what people say: main@9f1c2ab.
func shortRevision(revision string) string {
	ref, commit, found := strings.Cut(revision, "@")
	if !found {
		return shortCommit(revision)
	}
	if _, hash, algorithm := strings.Cut(commit, ":"); algorithm {
		commit = hash
	}
	return ref + "@" + shortCommit(commit)
}

// shortCommit is what people say of a commit.
func shortCommit(commit string) string { return commit[:min(len(commit), 7)] }

// refWords says what is followed.
func refWords(ref *v1alpha1.GitRef) string {
	switch {
	case ref == nil:
		return "branch main"
	case ref.Branch != "":
		return "branch " + ref.Branch
	case ref.Tag != "":
		return "tag " + ref.Tag
	case ref.Semver != "":
		return "semver " + ref.Semver
	}
	return "commit " + shortCommit(ref.Commit)
}

// fleetChange is a fleet in one line of a log.
func fleetChange(object client.Object, _ view) string {
	fleet := asFleet(object)
	note, _ := fleetNote(fleet)
	return strings.TrimSpace(render.Or(shortRevision(fleet.Status.LastAppliedRevision), "nothing applied yet") + "  " + note)
}
