package planning

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

const (
	// listed objects of one kind and change, fields of one object, and servers of one reason.
	listedObjects = 25
	listedFields  = 8
	listedServers = 8
)

// writer writes lines, and remembers what went wrong.
type writer struct {
	out   io.Writer
	style render.Style
	at    time.Time
	err   error
}

func (w *writer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// Text writes a report for a person.
func (r *Report) Text(out io.Writer, style render.Style) error {
	w := &writer{out: out, style: style, at: r.At}
	w.line("%s", r.title())
	w.objects(&r.Objects)
	w.repaves(r)
	w.groups(r)
	w.end(r)
	return w.err
}

// title of a report: the fleet, the revision, and what it is about.
func (r *Report) title() string {
	text := "fleet/" + render.Clean(r.Fleet) + "  " + render.Clean(r.Revision)
	if r.Subject != "" {
		text += "  \"" + render.Clean(r.Subject) + "\""
	}
	return text + " (" + render.Count(r.Files, "file") + ")"
}

func (w *writer) objects(o *Objects) {
	w.list(render.Good, "+", o.Added)
	w.list(render.Held, "~", o.Changed)
	w.list(render.Bad, "-", o.Pruned)
	w.list(render.Held, "…", o.Waiting)
	w.list(render.Bad, "!", o.Refused)
	if n := len(o.Left); n > 0 {
		w.line("    %s left the commit and stay: %s", render.Count(n, "object"), render.Clean(o.Left[0].Reason))
	}
}

// list objects kind by kind; many of a kind are folded.
func (w *writer) list(colour render.Colour, sign string, objects []Object) {
	for len(objects) > 0 {
		same := 1
		for same < len(objects) && objects[same].Kind == objects[0].Kind {
			same++
		}
		for i := range objects[:min(same, listedObjects)] {
			w.line("  %s %s%s", w.style.Paint(colour, sign), render.Clean(objects[i].title()), w.told(&objects[i]))
		}
		if more := same - listedObjects; more > 0 {
			w.line("  %s and %d more of %s (-o json lists all)", w.style.Paint(colour, sign), more, objects[0].Kind)
		}
		objects = objects[same:]
	}
}

// told is what is said of an object behind its name.
func (w *writer) told(o *Object) string {
	var parts []string
	for i, field := range o.Fields {
		if i == listedFields {
			parts = append(parts, fmt.Sprintf("and %d more fields", len(o.Fields)-i))
			break
		}
		parts = append(parts, arrow(strings.TrimPrefix(field.Path, "spec."), field.Old, field.New))
	}
	text := strings.Join(parts, ", ")
	if o.Cause == "Drift" {
		text = "put back: " + text
	}
	if o.Reason != "" {
		text = strings.TrimPrefix(text+"; "+o.Reason, "; ")
	}
	if text == "" {
		return ""
	}
	return "  " + w.style.Paint(render.Faint, render.Clean(text))
}

// arrow says what a field was and is.
func arrow(path, old, next string) string {
	return fmt.Sprintf("%s %s → %s", path, brief(render.Or(old, "none")), brief(render.Or(next, "none")))
}

// briefest is how long a value may be that is shown whole.
const briefest = 40

// brief form of a value: of a digest its beginning.
func brief(text string) string {
	if kind, digest, ok := strings.Cut(text, ":"); ok && (kind == "sha256" || kind == "sha512") && len(digest) > 12 {
		return digest[:4] + "…"
	}
	return render.Cut(text, briefest)
}

func (w *writer) repaves(r *Report) {
	for _, repave := range r.Repaves {
		w.line("  %s ServerGroup/%s/%s: %s", w.style.Paint(render.Busy, "↻"), repave.Namespace, repave.Group, render.Count(len(repave.Servers), "repave"))
		w.line("      %s", render.Clean(names(repave.Servers)))
		for _, field := range repave.Why {
			w.line("      because %s", render.Clean(arrow(field.Path, field.Old, field.New)))
			w.diff(field.Diff)
		}
	}
}

// names of servers, the first of many.
func names(servers []string) string {
	if more := len(servers) - listedServers; more > 0 {
		return strings.Join(servers[:listedServers], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(servers, ", ")
}

func (w *writer) diff(text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		colour := render.Faint
		switch {
		case strings.HasPrefix(line, "+"):
			colour = render.Good
		case strings.HasPrefix(line, "-"):
			colour = render.Bad
		}
		w.line("        %s", w.style.Paint(colour, cleanIndented(line)))
	}
}

// cleanIndented makes a line harmless and keeps how far it is indented.
func cleanIndented(line string) string {
	text := strings.TrimLeft(line, " +-")
	return line[:len(line)-len(text)] + render.Clean(text)
}

func (w *writer) groups(r *Report) {
	for i := range r.Groups {
		group := &r.Groups[i]
		w.line("  ServerGroup/%s/%s", group.Namespace, group.Name)
		w.skipped(group.Skipped)
		w.waves(group)
		w.denied(group.Denied)
		if !group.Complete {
			for _, hold := range group.Holds {
				w.line("    %s %s", w.style.Paint(render.Held, "HELD"), render.Clean(hold.Message))
			}
		}
	}
}

func (w *writer) skipped(skipped []Skipped) {
	for i, each := range skipped {
		if i == listedServers {
			w.line("    and %d more servers skipped (-o json lists all)", len(skipped)-i)
			return
		}
		w.line("    %s skipped: %s", each.Server, render.Clean(render.Or(each.Message, each.Reason)))
	}
}

func (w *writer) denied(denied []Denied) {
	for i := range denied {
		if i == listedServers {
			w.line("    and %d more servers would be denied (-o json lists all)", len(denied)-i)
			return
		}
		w.line("    %s", w.style.Paint(render.Bad, render.Clean(denied[i].text())))
	}
}

// text says it for a person.
func (d *Denied) text() string {
	return fmt.Sprintf("%s would be denied: %s %q", d.Server, d.Source, d.Message)
}

func (w *writer) waves(group *Group) {
	if len(group.Waves) == 0 {
		return
	}
	table := render.Table{Header: []string{"WAVE", "SERVERS", "AT ONCE", "EARLIEST START", "LIKELY DONE", "HELD BY"}}
	for _, row := range waveRows(group, w.at) {
		table.Rows = append(table.Rows, render.Texts(row...))
	}
	for _, line := range table.Lines(w.style, 0) {
		w.line("    %s", line)
	}
}

// waveRows say of each wave what the table's columns ask for.
func waveRows(group *Group, now time.Time) [][]string {
	var rows [][]string
	for i := range group.Waves {
		wave := &group.Waves[i]
		done := clock(wave.LikelyDone, now)
		if wave.LateDone != nil {
			done += " (p90 " + clock(wave.LateDone, now) + ")"
		}
		rows = append(rows, []string{
			wave.Name, fmt.Sprint(len(wave.Servers)), fmt.Sprint(wave.AtOnce), clock(wave.EarliestStart, now), done, heldBy(wave, now),
		})
	}
	return rows
}

// clock tells a time as briefly as it can be told: now, 10:14, Tue 00:40, 2026-11-23 00:40.
func clock(at *time.Time, now time.Time) string {
	switch {
	case at == nil:
		return "not foreseen"
	case at.Equal(now):
		return "now"
	}
	local := at.In(now.Location())
	days := local.Sub(now.Truncate(time.Second)) / (24 * time.Hour)
	switch {
	case local.YearDay() == now.YearDay() && local.Year() == now.Year():
		return local.Format("15:04")
	case days >= 0 && days < 6:
		return local.Format("Mon 15:04")
	}
	return local.Format("2006-01-02 15:04")
}

// heldBy tells briefly what a wave waits for.
func heldBy(wave *Wave, now time.Time) string {
	var parts []string
	for i := range wave.HeldBy {
		if part := heldOnce(&wave.HeldBy[i], now); part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, "; ")
}

func heldOnce(hold *v1alpha1.Hold, now time.Time) string {
	until := ""
	if hold.Until != nil {
		until = " until " + clock(&hold.Until.Time, now)
	}
	switch {
	case hold.Reason == v1alpha1.ReasonSoaking:
		return "soak of " + strings.TrimPrefix(hold.Source, "Wave/") + until
	case hold.Reason == v1alpha1.ReasonApprovalRequired && hold.Source == "Guard":
		return "Guard: approval"
	case hold.Reason == v1alpha1.ReasonApprovalRequired:
		return "approval"
	case strings.HasPrefix(hold.Source, "Policy/") && hold.Until == nil && hold.Limit != "":
		return hold.Source + " (limit " + hold.Limit + ")"
	case strings.HasPrefix(hold.Source, "Policy/"):
		return hold.Source + until
	case hold.Reason == v1alpha1.ReasonLimitReached:
		return render.Or(hold.Rule, hold.Source) + " " + hold.Limit
	}
	return hold.Source + " " + hold.Reason + until
}

// end sums up.
func (w *writer) end(r *Report) {
	for _, hook := range r.Hooks {
		w.line("  hook %s runs %s; how long it takes is not foreseen", render.Clean(hook.Name), map[string]string{"Before": "when each is admitted", "After": "after each job"}[hook.When])
	}
	for _, note := range r.Notes {
		w.line("  note: %s", render.Clean(note))
	}
	if !r.Guard.Allowed {
		w.line("%s: %s. Somebody then approves it by name: %s", w.style.Paint(render.Held, "The guard would hold it"), render.Clean(r.Guard.Message), r.approval())
	}
	w.line("%s", r.sum())
}

// approval is the command that lets the commit pass the guard.
func (r *Report) approval() string {
	commit := "COMMIT"
	if r.Commit != "" {
		commit = short(r.Commit)
	}
	return "stargate approve fleet " + r.Fleet + " --commit " + commit + " --reason …"
}

// sum is the last line of a report.
func (r *Report) sum() string {
	s := &r.Summary
	if !r.Differs {
		return fmt.Sprintf("Plan: nothing to do, %s unchanged.", render.Count(r.Objects.Unchanged, "object"))
	}
	text := fmt.Sprintf("Plan: %d added, %d changed, %d pruned; %s, %d denied, %d skipped, %d unchanged.",
		s.Added, s.Changed, s.Pruned, render.Count(s.Repaves, "repave"), s.Denied, s.Skipped, s.Unchanged)
	if s.Worst.Of > 0 {
		text += fmt.Sprintf(" Worst moment: %d of %d up (floor %d).", s.Worst.Up, s.Worst.Of, s.Worst.Floor)
	}
	if s.End != nil {
		text += " " + r.restsOn()
	}
	return text
}

func (r *Report) restsOn() string {
	if r.Summary.PastRepaves == 0 {
		return "Times are assumed: no repave was seen yet."
	}
	return fmt.Sprintf("Times from %s.", render.Count(r.Summary.PastRepaves, "past repave"))
}
