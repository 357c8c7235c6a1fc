package cli

import (
	"fmt"
	"strings"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/explain"
)

// headline says what the verdict is, in one word, and how it is coloured.
var headlines = map[explain.Verdict]struct {
	word   string
	colour render.Colour
}{
	explain.Free: {"FREE", render.Good}, explain.Held: {"HELD", render.Held}, explain.Denied: {"DENIED", render.Bad}, explain.Void: {"VOID", render.Bad},
	explain.Verdict(v1alpha1.OperationRunning): {"RUNNING", render.Busy}, explain.Verdict(v1alpha1.OperationSucceeded): {"SUCCEEDED", render.Good},
	explain.Verdict(v1alpha1.OperationFailed): {"FAILED", render.Bad}, explain.Verdict(v1alpha1.OperationCancelled): {"CANCELLED", render.Faint},
}

// outcomes as they are shown before each gate.
var outcomes = map[explain.Outcome]struct {
	word   string
	colour render.Colour
}{
	explain.Passes: {"ok", render.Good}, explain.Holds: {"HELD", render.Held}, explain.Denies: {"DENIED", render.Bad},
	explain.Tells: {"note", render.Faint}, explain.Later: {"–", render.Faint},
}

func (a *App) showExplanation(r *explain.Report, verbose bool) {
	a.say("%s", a.explanationHead(r))
	if r.Message != "" {
		a.say("  %s", render.Clean(r.Message))
	}
	table := render.Table{}
	for i := range r.Gates {
		table.Rows = append(table.Rows, gateRow(&r.Gates[i], r.At.Time))
	}
	if len(table.Rows) > 0 {
		for _, line := range table.Lines(a.style, 0) {
			a.say("  %s", line)
		}
	}
	a.showPast(r)
	if verbose {
		a.showSeen(r)
	}
	a.showWayOut(r)
	for _, note := range r.Notes {
		a.note("%s", render.Clean(note))
	}
}

// explanationHead is the verdict with what it is about.
func (a *App) explanationHead(r *explain.Report) string {
	head, known := headlines[r.Verdict]
	if !known {
		head.word = strings.ToUpper(string(r.Verdict))
	}
	text := a.style.Paint(head.colour, head.word)
	if r.Since != nil {
		text += " " + render.Age(r.Since.Time, r.At.Time)
	}
	text += "   " + render.Clean(r.Action+" "+r.Server)
	if r.Datacenter != "" {
		text += " (" + render.Clean(r.Datacenter) + ")"
	}
	if r.Group != "" {
		text += "   " + render.Clean(rolloutWords(r))
	}
	if !r.Exists {
		text += "   not made yet"
	}
	return text
}

// rolloutWords say which rollout made it: "wave r1 of group web, commit 41d0e77".
func rolloutWords(r *explain.Report) string {
	text := "group " + r.Group
	if r.Wave != "" {
		text = "wave " + r.Wave + " of " + text
	}
	if r.Commit != "" {
		text += ", commit " + r.Commit[:min(len(r.Commit), commitTyped)]
	}
	return text
}

// gateRow is one gate: outcome, what it is, what was seen, and what ends it.
func gateRow(gate *explain.Gate, now time.Time) []render.Cell {
	shown := outcomes[gate.Outcome]
	row := []render.Cell{{Text: shown.word, Colour: shown.colour}, render.Text(gateName(gate)), render.Text(gateMessage(gate))}
	if until := gateEnd(gate, now); until != "" {
		row = append(row, render.Text(until))
	}
	return row
}

// gateName is short: a policy by itself, or with its rule where that is called otherwise.
func gateName(gate *explain.Gate) string {
	kind, name, _ := strings.Cut(gate.Source, "/")
	switch {
	case kind == "Policy" && gate.Rule != "" && gate.Rule != name:
		return name + "/" + gate.Rule
	case kind == "Policy":
		return name
	case gate.Rule == "one-operation-per-server":
		return "one Operation a server"
	case kind == "Suspend":
		return strings.ToLower(gate.Rule)
	}
	return strings.ToLower(kind) + " " + name
}

func gateMessage(gate *explain.Gate) string {
	text := gate.Message
	if gate.Observed != "" && gate.Limit != "" && !strings.Contains(text, gate.Observed) {
		text += fmt.Sprintf(" (%s of %s)", gate.Observed, gate.Limit)
	}
	switch {
	case gate.Overridden:
		text += " (overridden)"
	case gate.Outcome == explain.Tells && (gate.Effect == string(v1alpha1.EffectHold) || gate.Effect == string(v1alpha1.EffectDeny)):
		text = "only tells: would " + strings.ToLower(gate.Effect) + ": " + text
	}
	return text
}

// gateEnd says until when, or what ends it.
func gateEnd(gate *explain.Gate, now time.Time) string {
	if gate.Outcome != explain.Holds {
		return ""
	}
	if gate.Until != nil {
		return "until " + untilWords(gate.Until.Time, now)
	}
	if gate.ClearsWhen != "" {
		return "until " + gate.ClearsWhen
	}
	return ""
}

// untilWords give a time as short as it is clear: the day only where it is another.
func untilWords(at, now time.Time) string {
	at, now = at.UTC(), now.UTC()
	if at.Year() == now.Year() && at.YearDay() == now.YearDay() {
		return at.Format("15:04:05 UTC")
	}
	return at.Format("Mon 2006-01-02 15:04 UTC")
}

// showPast tells of attempts and hooks of an Operation that began.
func (a *App) showPast(r *explain.Report) {
	for i := range r.Hooks {
		run := &r.Hooks[i]
		a.say("  hook %s   %s   %s", render.Clean(run.Name), render.Or(string(run.Result), "–"), render.Clean(run.Message))
	}
	for i := range r.Attempts {
		attempt := &r.Attempts[i]
		text := fmt.Sprintf("attempt %d   %s", attempt.Number, render.Or(string(attempt.Outcome), "under way"))
		if attempt.EndedAt != nil {
			text += " after " + attempt.EndedAt.Sub(attempt.StartedAt.Time).Round(time.Second).String()
		}
		if attempt.Error != "" {
			text += ": " + attempt.Error
		}
		a.say("  %s", render.Clean(text))
	}
}

// showSeen tells what each rule saw.
func (a *App) showSeen(r *explain.Report) {
	for i := range r.Gates {
		gate := &r.Gates[i]
		if gate.Expression == "" {
			continue
		}
		a.say("%s   %s   (cost %d)", render.Clean(gateName(gate)), render.Clean(gate.Expression), gate.Cost)
		for _, seen := range gate.Saw {
			a.say("%s%s = %s", strings.Repeat("  ", seen.Depth+1), render.Clean(seen.What), render.Clean(seen.Value))
		}
	}
}

// showWayOut says when it is let go at the earliest, and which commands would change that.
func (a *App) showWayOut(r *explain.Report) {
	if r.Clears != nil {
		a.say("Clears at %s at the earliest.", untilWords(r.Clears.Time, r.At.Time))
	}
	seen := map[string]bool{}
	for _, gate := range r.With(explain.Holds, explain.Denies) {
		if gate.Command == "" || seen[gate.Command] {
			continue
		}
		if len(seen) == 0 {
			a.say("To let it pass:")
		}
		seen[gate.Command] = true
		a.say("  %s %s", a.name, render.Clean(gate.Command))
	}
}
