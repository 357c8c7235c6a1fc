package cli

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// rolloutLines lays a report out, group by group.
func (a *App) rolloutLines(report *rolloutReport) []string {
	var lines []string
	for i := range report.Groups {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, a.groupLines(&report.Groups[i])...)
	}
	return lines
}

func (a *App) groupLines(g *groupRollout) []string {
	lines := a.headLines(g)
	if len(g.Waves) > 0 {
		lines = append(lines, indented(a.waveTable(g).Lines(a.style, 0))...)
	}
	lines = append(lines, a.flightLines(g)...)
	lines = append(lines, a.holdLines(g.Held)...)
	lines = append(lines, a.leftLines(g)...)
	return append(lines, a.nextLines(g)...)
}

// headLines say which group, what it rolls out, and how far it is.
func (a *App) headLines(g *groupRollout) []string {
	word, colour := stateWords(g)
	head := fmt.Sprintf("%s   %s  profile %s", a.style.Paint(colour, word), render.Clean(g.Namespace+"/"+g.Name), render.Clean(g.Profile))
	if g.OSVersion != "" {
		head += " (OS " + render.Clean(g.OSVersion) + ")"
	}
	if g.Revision != "" {
		head += "  revision " + render.Clean(g.Revision)
	}
	lines := []string{head}
	if g.Commit != "" {
		from := "  commit " + shortCommit(render.Clean(g.Commit))
		if g.Author != "" {
			from += " by " + render.Clean(g.Author)
		}
		if g.SignedBy != "" {
			from += ", signed by " + render.Clean(g.SignedBy)
		}
		if g.ApprovedBy != "" {
			from += ", approved by " + render.Clean(g.ApprovedBy)
		}
		lines = append(lines, from)
	}
	return append(lines, "  "+countWords(g)+a.timeWords(g))
}

func stateWords(g *groupRollout) (string, render.Colour) {
	switch g.State {
	case rolloutDone:
		if g.Failed > 0 {
			return "DONE BUT FOR FAILURES", render.Bad
		}
		return "UP TO DATE", render.Good
	case rolloutRunning:
		return "ROLLING OUT", render.Busy
	case rolloutHeld:
		return "HELD", render.Held
	case rolloutAwaits:
		return "WAITS FOR YOU", render.Held
	case rolloutStopped:
		return "STOPPED", render.Bad
	case rolloutUnknown:
	}
	return "NOT LOOKED AT YET", render.Plain
}

func countWords(g *groupRollout) string {
	text := fmt.Sprintf("%d of %d updated, %d ready, %d unavailable", g.Updated, g.Servers, g.Ready, g.Unavailable)
	for _, part := range []struct {
		n    int32
		word string
	}{{g.Active, "active"}, {g.Failed, "failed"}, {g.Drifted, "drifted"}, {g.Skipped, "skipped"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.word)
		}
	}
	return text
}

// timeWords say since when it goes on, and until when it likely does.
func (a *App) timeWords(g *groupRollout) string {
	now := a.now()
	switch {
	case g.State == rolloutDone && g.CompletedAt != nil && g.StartedAt != nil:
		return fmt.Sprintf("; done %s ago, took %s", render.Age(g.CompletedAt.Time, now), render.Age(g.StartedAt.Time, g.CompletedAt.Time))
	case g.State == rolloutDone, g.StartedAt == nil:
		return ""
	}
	text := "; since " + render.Age(g.StartedAt.Time, now)
	if g.LikelyDone != nil {
		text += ", likely done in " + render.Age(now, g.LikelyDone.Time)
	}
	return text
}

func (a *App) waveTable(g *groupRollout) render.Table {
	laid := render.Table{Header: []string{"WAVE", "SERVERS", "STATE", "ACTIVE", "FAILED", "SKIPPED", "NOTE"}}
	for _, wave := range g.Waves {
		done := fmt.Sprintf("%d/%d", wave.Updated, wave.Servers)
		if a.style.Terminal && wave.Servers > 0 {
			done = render.Bar(100*wave.Updated/wave.Servers, barWidth) + " " + done
		}
		laid.Rows = append(laid.Rows, []render.Cell{
			cell(wave.Name), render.Text(done), {Text: render.Or(string(wave.State), none), Colour: waveColour(wave.State)},
			number(int(wave.Active), render.Busy), number(int(wave.Failed), render.Bad), number(int(wave.Skipped), render.Held),
			cell(a.waveNote(g, wave)),
		})
	}
	return laid
}

func waveColour(state v1alpha1.WaveState) render.Colour {
	switch state {
	case v1alpha1.WaveDone:
		return render.Good
	case v1alpha1.WaveRunning:
		return render.Busy
	case v1alpha1.WaveSoaking, v1alpha1.WaveAwaitingApproval:
		return render.Held
	case v1alpha1.WaveStopped:
		return render.Bad
	default:
		return render.Plain
	}
}

func (a *App) waveNote(g *groupRollout, wave v1alpha1.WaveStatus) string {
	now := a.now()
	var parts []string
	switch {
	case wave.State == v1alpha1.WaveSoaking && wave.SoakedUntil != nil:
		parts = append(parts, fmt.Sprintf("soaks until %s, %s more", wave.SoakedUntil.UTC().Format("15:04:05Z"), render.Age(now, wave.SoakedUntil.Time)))
	case wave.State == v1alpha1.WaveDone && wave.StartedAt != nil && wave.UpdatedAt != nil:
		parts = append(parts, "took "+render.Age(wave.StartedAt.Time, wave.UpdatedAt.Time))
	case wave.State == v1alpha1.WaveWaiting || wave.State == v1alpha1.WaveRunning:
		if soak, soaks := g.soaks[wave.Name]; soaks {
			parts = append(parts, "then soaks "+duration.HumanDuration(soak.Duration))
		}
	}
	if wave.ApprovedBy != "" {
		parts = append(parts, "approved by "+wave.ApprovedBy)
	} else if wave.State == v1alpha1.WaveWaiting && waveSpec(g.group, wave.Name).Approval == v1alpha1.ApprovalRequired {
		parts = append(parts, "needs an approval")
	}
	return strings.Join(parts, ", ")
}

func (a *App) flightLines(g *groupRollout) []string {
	if len(g.InFlight) == 0 {
		return nil
	}
	laid := render.Table{}
	for _, f := range g.InFlight[:min(len(g.InFlight), listed)] {
		text := strings.TrimSpace(string(f.Phase) + " " + f.Progress)
		if f.bar && a.style.Terminal {
			text = render.Bar(f.percent, barWidth) + " " + f.Progress
		}
		colour := render.Busy
		if f.held {
			colour = render.Held
		}
		laid.Rows = append(laid.Rows, []render.Cell{
			cell(f.Server), cell(f.Operation), cell(render.Age(f.Since.Time, a.now())), {Text: render.Or(text, "being made"), Colour: colour},
		})
	}
	lines := append([]string{"  In flight"}, indented(indented(laid.Lines(a.style, 0)))...)
	return append(lines, moreLines(len(g.InFlight))...)
}

// holdLines say what holds, until when, and what ends it.
func (a *App) holdLines(holds []v1alpha1.Hold) []string {
	if len(holds) == 0 {
		return nil
	}
	lines := []string{"  Held by"}
	for _, hold := range holds[:min(len(holds), listed)] {
		lines = append(lines, "    "+a.holdLine(hold))
	}
	return append(lines, moreLines(len(holds))...)
}

func (a *App) holdLine(hold v1alpha1.Hold) string {
	text := a.style.Paint(render.Held, render.Clean(hold.Source)) + "  " + render.Clean(hold.Reason) + ": " + render.Clean(hold.Message)
	if hold.Observed != "" && hold.Limit != "" {
		text += fmt.Sprintf(" (%s, limit %s)", render.Clean(hold.Observed), render.Clean(hold.Limit))
	}
	switch {
	case hold.Until != nil:
		return text + fmt.Sprintf("  until %s, %s more", hold.Until.UTC().Format(time.RFC3339), render.Age(a.now(), hold.Until.Time))
	// Whoever can clear it by a command finds that below, with the namespace.
	case hold.ClearsWhen != "" && !strings.HasPrefix(hold.ClearsWhen, "somebody "):
		return text + "  until " + render.Clean(hold.ClearsWhen)
	}
	return text
}

func (a *App) leftLines(g *groupRollout) []string {
	if len(g.Left) == 0 {
		return nil
	}
	laid := render.Table{}
	for _, left := range g.Left[:min(len(g.Left), listed)] {
		laid.Rows = append(laid.Rows, []render.Cell{
			cell(left.Server), {Text: strings.ToLower(string(left.Reason)), Colour: leftColour(left.Reason)}, cell(left.Message), cell(left.Operation),
		})
	}
	lines := append([]string{"  Left as they are"}, indented(indented(laid.Lines(a.style, 0)))...)
	return append(lines, moreLines(len(g.Left))...)
}

func leftColour(reason v1alpha1.LeftReason) render.Colour {
	if reason == v1alpha1.LeftFailed {
		return render.Bad
	}
	return render.Held
}

// nextLines say what to type, where it is a person's turn.
func (a *App) nextLines(g *groupRollout) []string {
	where := fmt.Sprintf("%s -n %s", g.Name, g.Namespace)
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, "  "+fmt.Sprintf(format, args...)) }
	for _, wanted := range g.Approvals {
		wave := ""
		if wanted.Wave != "" {
			wave = " --wave " + wanted.Wave
		}
		add("To let it go on: %s rollout approve %s%s --reason …", a.name, where, wave)
	}
	switch {
	case g.group.Spec.Rollout.Paused:
		add("To resume it: %s rollout resume %s --reason …", a.name, where)
	case g.State == rolloutStopped && g.group.Status.Revision.Failures > g.group.Status.Revision.Forgiven:
		add("To go on in spite of the failures: %s rollout resume %s --reason …", a.name, where)
	case g.State == rolloutStopped && g.Message != "":
		add("%s", g.Message)
	case g.State == rolloutUnknown:
		add("No controller has looked at it as it is now; see: %s check", a.name)
	}
	return lines
}

func indented(lines []string) []string {
	shifted := make([]string, 0, len(lines))
	for _, line := range lines {
		shifted = append(shifted, "  "+line)
	}
	return shifted
}

func moreLines(n int) []string {
	if n <= listed {
		return nil
	}
	return []string{fmt.Sprintf("    … and %d more: -o json", n-listed)}
}
