package cli

import (
	"testing"
	"time"

	"stargate.io/stargate/cmd/stargate/planning"
)

func TestPlanTime(t *testing.T) {
	// A Monday.
	now := time.Date(2026, 3, 2, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]string{
		"":                     "2026-03-02T12:00:00Z",
		"sat 03:00":            "2026-03-07T03:00:00Z",
		"Saturday 03:00":       "2026-03-07T03:00:00Z",
		"mon 13:00":            "2026-03-02T13:00:00Z",
		"MON 12:00":            "2026-03-09T12:00:00Z",
		"22:00":                "2026-03-02T22:00:00Z",
		"11:00":                "2026-03-03T11:00:00Z",
		"2h":                   "2026-03-02T14:00:00Z",
		"2026-05-01 06:00":     "2026-05-01T06:00:00Z",
		"2026-05-01T06:00:00Z": "2026-05-01T06:00:00Z",
		"someday":              "error",
		"sat":                  "error",
		"sat noon":             "error",
	} {
		got := "error"
		at, err := planTime(text, now)
		if err == nil {
			got = at.UTC().Format(time.RFC3339)
		} else if codeOf(err) != exitUsage {
			t.Errorf("%q: code %d", text, codeOf(err))
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestPlanCodes(t *testing.T) {
	report := func(change func(*planning.Report)) *planning.Report {
		r := &planning.Report{Guard: planning.Guard{Allowed: true}}
		change(r)
		return r
	}
	same := report(func(*planning.Report) {})
	differs := report(func(r *planning.Report) { r.Differs = true })
	held := report(func(r *planning.Report) { r.Differs, r.Guard.Allowed = true, false })
	denied := report(func(r *planning.Report) { r.Differs, r.Summary.Denied = true, 1 })
	refused := report(func(r *planning.Report) { r.Objects.Refused = []planning.Object{{}} })
	for _, test := range []struct {
		report         *planning.Report
		plain, exiting int
	}{{same, 0, 0}, {differs, 0, 2}, {held, 0, 3}, {denied, 0, 3}, {refused, 1, 1}} {
		if plain, exiting := (&planOptions{}).codeFor(test.report), (&planOptions{exitCode: true}).codeFor(test.report); plain != test.plain || exiting != test.exiting {
			t.Errorf("%+v: got %d and %d, want %d and %d", test.report, plain, exiting, test.plain, test.exiting)
		}
	}
}
