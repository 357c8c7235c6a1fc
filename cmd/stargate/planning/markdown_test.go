package planning_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/planning"
)

// TestCommentsStayShort: what a comment can hold, whatever the commit is.
func TestCommentsStayShort(t *testing.T) {
	report := &planning.Report{Fleet: "prod", Revision: "41d0e77", Differs: true, At: noon, Guard: planning.Guard{Allowed: true}}
	long := strings.Repeat("x ", 10_000)
	for i := range 3_000 {
		name := fmt.Sprintf("server-%04d", i)
		report.Objects.Added = append(report.Objects.Added, planning.Object{Kind: "Server", Namespace: "dc", Name: name})
		report.Objects.Changed = append(report.Objects.Changed, planning.Object{Kind: "Server", Namespace: "dc", Name: name, Fields: []planning.Field{{Path: "spec.reason", Old: long, New: long}}})
		report.Groups = append(report.Groups, planning.Group{Namespace: "dc", Name: name, Waves: []planning.Wave{{Name: "rest", Servers: []string{name}}}})
		report.Repaves = append(report.Repaves, planning.Repave{Namespace: "dc", Group: name, Servers: []string{name}, Why: []planning.Field{{Path: "userData", Diff: long}}})
		report.Notes = append(report.Notes, long)
	}
	var out bytes.Buffer
	must(t, report.Markdown(&out))
	if out.Len() > 60_000 {
		t.Errorf("the comment has %d bytes", out.Len())
	}
	if !strings.Contains(out.String(), "sections left out: the comment would be too long") {
		t.Error("it does not say that something is left out")
	}
	if open, closed := strings.Count(out.String(), "<details>"), strings.Count(out.String(), "</details>"); open != closed {
		t.Errorf("%d details are opened and %d closed", open, closed)
	}
}

// TestCommentsHoldNothingForeign: what a commit says is text, never markup, mention or link.
func TestCommentsHoldNothingForeign(t *testing.T) {
	evil := "</details><script>alert(1)</script> @everyone [x](http://evil.example) `code` | a | b |\n# title\n```\nout"
	at := noon.Add(time.Hour)
	report := &planning.Report{Fleet: "prod", Revision: "r", Subject: evil, Author: evil, Differs: true, At: noon, Notes: []string{evil},
		Guard: planning.Guard{Message: evil}, Objects: planning.Objects{
			Added: []planning.Object{{Kind: "Server", Name: evil, Reason: evil, Fields: []planning.Field{{Path: evil, Old: evil, New: evil}}}}},
		Repaves: []planning.Repave{{Namespace: evil, Group: evil, Servers: []string{evil}, Why: []planning.Field{{Path: evil, Old: evil, New: evil, Diff: evil}}}},
		Groups: []planning.Group{{Namespace: evil, Name: evil, Holds: []v1alpha1.Hold{{Message: evil}}, Skipped: []planning.Skipped{{Server: evil, Message: evil}},
			Waves: []planning.Wave{{Name: evil, EarliestStart: &at, HeldBy: []v1alpha1.Hold{{Source: evil, Reason: evil}}}}}}}
	var out bytes.Buffer
	must(t, report.Markdown(&out))
	fence := ""
	for _, line := range strings.Split(out.String(), "\n") {
		if ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]; len(ticks) >= 3 && (fence == "" || line == fence) {
			if fence == "" {
				fence = ticks
			} else {
				fence = ""
			}
			continue
		}
		if fence != "" {
			continue // shown as it is
		}
		for _, no := range []string{"<script", "</details><script", "@everyone", "[x](http", "\n# title"} {
			if strings.Contains(line, no) {
				t.Errorf("%q stands in %q", no, line)
			}
		}
	}
	if fence != "" {
		t.Error("a fence is left open")
	}
}
