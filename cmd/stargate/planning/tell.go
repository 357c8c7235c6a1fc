package planning

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pmezard/go-difflib/difflib"

	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/plan"
	"stargate.io/stargate/engine/plan/forecast"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
)

// tellObjects says what is added, changed and pruned.
func (c *course) tellObjects() {
	objects := &c.report.Objects
	*objects = Objects{Added: []Object{}, Changed: []Object{}, Pruned: []Object{}, Unchanged: c.changes.Unchanged}
	for i := range c.changes.Changes {
		change := &c.changes.Changes[i]
		object := objectOf(change.Key)
		object.Source = change.Place.String()
		if change.Action == apply.Create {
			objects.Added = append(objects.Added, object)
			continue
		}
		if len(change.Fields) == 0 && change.Cause != apply.CauseRestamp && !change.Deleting {
			// It is sent, since nothing tells that it was before, and changes nothing.
			objects.Unchanged++
			continue
		}
		object.Cause, object.Reason = string(change.Cause), change.Why
		for _, field := range change.Fields {
			object.Fields = append(object.Fields, Field{Path: field.Path, Old: field.Old, New: field.New})
		}
		objects.Changed = append(objects.Changed, object)
	}
	objects.Pruned = append(objects.Pruned, pruned(c.changes.Prunes)...)
	objects.Waiting, objects.Left = pruned(c.changes.Waiting), pruned(c.changes.Left)
	for _, refusal := range c.changes.Refused {
		object := objectOf(refusal.Key)
		object.Source, object.Reason = refusal.Place.String(), refusal.Message+"; "+refusal.Mend
		objects.Refused = append(objects.Refused, object)
	}
	s := &c.report.Summary
	s.Added, s.Changed, s.Pruned = len(objects.Added), len(objects.Changed), len(objects.Pruned)
	c.report.Differs = s.Added+s.Changed+s.Pruned+len(objects.Waiting)+len(objects.Refused)+len(c.repaves) > 0
}

func objectOf(key tree.Key) Object {
	return Object{Kind: key.Kind.Kind, Namespace: key.Namespace, Name: key.Name}
}

func pruned(list []apply.Prune) []Object {
	var objects []Object
	for _, each := range list {
		object := objectOf(each.Key)
		object.Reason = each.Reason
		objects = append(objects, object)
	}
	return objects
}

// tellRepaves says which servers would be repaved, and why.
func (c *course) tellRepaves() {
	c.report.Summary.Repaves = len(c.repaves)
	type reason struct {
		namespace, group string
		why              *plan.Change
	}
	at := map[reason]int{}
	for _, repave := range c.repaves {
		// Repaves for one reason share what is said of it.
		key := reason{repave.Namespace, repave.Group, &repave.Why[0]}
		i, known := at[key]
		if !known {
			i = len(c.report.Repaves)
			at[key] = i
			c.report.Repaves = append(c.report.Repaves, Repave{Namespace: repave.Namespace, Group: repave.Group, Profile: repave.Profile, Why: whyOf(repave.Why)})
		}
		c.report.Repaves[i].Servers = append(c.report.Repaves[i].Servers, repave.Server)
	}
}

// documents are told by their differences.
var documents = []string{"userData", "networkData", "metaData"}

func whyOf(changes []plan.Change) []Field {
	fields := make([]Field, 0, len(changes))
	for _, change := range changes {
		field := Field{Path: change.Field, Old: change.Old, New: change.New}
		if slices.Contains(documents, change.Field) {
			field.Diff = unified(change.Field, change.Old, change.New)
			field.Old, field.New = sized(change.Old), sized(change.New)
		}
		fields = append(fields, field)
	}
	return fields
}

// sized tells of a document how long it is, or where it comes from.
func sized(text string) string {
	switch {
	case text == "", redacted(text), strings.HasPrefix(text, "from Secret "):
		return text
	}
	return render.Count(strings.Count(strings.TrimSuffix(text, "\n"), "\n")+1, "line")
}

const (
	// diffLimit bounds the lines of documents that are compared: longer ones are told by their length.
	diffLimit = 2_000
	// diffLines that are shown of a difference.
	diffLines = 40
	// diffWidth of each of them.
	diffWidth = 200
)

// unified difference of two documents; empty where one of them cannot be shown.
func unified(name, old, next string) string {
	for _, text := range []string{old, next} {
		if redacted(text) || strings.HasPrefix(text, "from Secret ") || strings.Count(text, "\n") > diffLimit {
			return ""
		}
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: linesOf(old), B: linesOf(next), FromFile: name, ToFile: name, Context: 2,
	})
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if more := len(lines) - diffLines; more > 0 {
		lines = append(lines[:diffLines], fmt.Sprintf("… and %s more", render.Count(more, "line")))
	}
	for i := range lines {
		lines[i] = render.Cut(lines[i], diffWidth)
	}
	return strings.Join(lines, "\n")
}

// linesOf a document, each with its end.
func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.SplitAfter(strings.TrimSuffix(text, "\n")+"\n", "\n")[:strings.Count(strings.TrimSuffix(text, "\n"), "\n")+1]
}

// tellGuard says what the guard would say.
func (c *course) tellGuard() {
	c.report.Guard = Guard{
		Allowed: c.verdict.Allowed, Repaves: len(c.repaves), MaxRepaves: c.verdict.MaxRepaves,
		Deletes: c.deletes, MaxDeletes: c.verdict.MaxDeletes, Message: c.verdict.Message,
	}
}

// noteForeign says which objects were not compared: to look at Secrets is nothing that a plan needs.
func (c *course) noteForeign(foreign map[string]int) {
	for _, kind := range slices.Sorted(maps.Keys(foreign)) {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("%s of the commit not compared with the cluster: a plan reads none", render.Count(foreign[kind], kind)))
	}
}

// tellNotes says what was assumed.
func (c *course) tellNotes() {
	note := func(format string, args ...any) {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf(format, args...))
	}
	for _, kind := range c.World.Missing {
		note("%ss were left out: whoever looked may not list them", kind)
	}
	if c.Fleet.Spec.Suspend {
		note("Fleet %s is suspended: nothing is applied before it is resumed", c.Fleet.Name)
	}
	if !c.verdict.Allowed && c.Forecast {
		note("the times count from an approval of the guard's hold")
	}
	for _, group := range c.report.Groups {
		if len(group.ApprovalsAssumed) > 0 {
			note("ServerGroup %s/%s: approvals are assumed to be given at once (%s)", group.Namespace, group.Name, strings.Join(group.ApprovalsAssumed, ", "))
		}
	}
	for _, name := range c.unknown() {
		note("ProvisioningProfile %s has documents from Secrets, which a plan does not read: its servers count in full", name)
	}
}

// unknown profiles among those that repaves put on servers: nothing tells their whole content.
func (c *course) unknown() []string {
	wanted := map[objectKey]bool{}
	for _, repave := range c.report.Repaves {
		wanted[objectKey{repave.Namespace, repave.Profile}] = true
	}
	var names []string
	for _, p := range c.after.Profiles {
		if !wanted[objectKey{p.Namespace, p.Name}] {
			continue
		}
		if _, known := c.world.hash(p); !known {
			names = append(names, p.Namespace+"/"+p.Name)
		}
	}
	return names
}

// tellTimes says what happens when.
func (c *course) tellTimes(t forecast.Timeline) {
	s := &c.report.Summary
	s.Worst, s.PastRepaves = momentOf(t.Worst), t.Runs
	s.End, s.LateEnd = when(t.End), when(t.LateEnd)
	s.Complete = !t.Cut
	if t.Cut {
		c.report.Notes = append(c.report.Notes, "the forecast ends early: too much is to be decided")
	}
	starts := map[objectKey]time.Time{}
	for _, start := range t.Starts {
		starts[objectKey{start.Namespace, start.Group + "/" + start.Server}] = start.At
	}
	concerned := map[objectKey]bool{}
	for _, repave := range c.report.Repaves {
		concerned[objectKey{repave.Namespace, repave.Group}] = true
	}
	for i := range t.Groups {
		group := groupOf(&t.Groups[i], starts)
		if len(group.Waves) == 0 && !concerned[objectKey{group.Namespace, group.Name}] {
			continue
		}
		for _, denied := range t.Denied {
			if denied.Namespace == group.Namespace && denied.Group == group.Name {
				group.Denied = append(group.Denied, Denied{Server: denied.Server, Wave: denied.Wave, Source: denied.Hold.Source, Rule: denied.Hold.Rule, Message: denied.Hold.Message})
			}
		}
		s.Denied += len(group.Denied)
		s.Complete = s.Complete && group.Complete
		s.Skipped += len(group.Skipped)
		s.Unchanged += group.Unchanged
		c.report.Groups = append(c.report.Groups, group)
	}
}

func groupOf(from *forecast.Group, starts map[objectKey]time.Time) Group {
	group := Group{
		Namespace: from.Namespace, Name: from.Name, Profile: from.Profile, Servers: from.Servers, Unchanged: from.Unchanged,
		Complete: from.Complete, Holds: from.Holds, ApprovalsAssumed: from.Approvals, Worst: momentOf(from.Worst),
	}
	for _, skipped := range from.Skipped {
		group.Skipped = append(group.Skipped, Skipped(skipped))
	}
	for _, wave := range from.Waves {
		made := Wave{
			Name: wave.Name, Servers: wave.Servers, EarliestStart: when(wave.Start), LikelyDone: when(wave.Done), LateDone: when(wave.LateDone),
			AtOnce: wave.Peak, HeldBy: wave.HeldBy, ApprovalRequired: wave.Approval,
		}
		for _, server := range wave.Servers {
			made.Starts = append(made.Starts, starts[objectKey{from.Namespace, from.Name + "/" + server}])
		}
		group.Waves = append(group.Waves, made)
	}
	return group
}

func momentOf(m forecast.Moment) Moment { return Moment(m) }

// when gives a time; nil for never.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
