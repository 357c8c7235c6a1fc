package machine

import (
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/guest"
	"stargate.io/stargate/simulator/qemu"
)

func TestArrived(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	view := func(change func(*guestView)) guestView {
		g := guestView{running: true, state: qemu.StateRunning, started: ago(time.Minute), expected: true, limit: 10 * time.Minute}
		change(&g)
		return g
	}
	says := func(g *guestView, report guest.Report) { g.report, g.at = report, ago(time.Second) }
	for name, test := range map[string]struct {
		g     guestView
		up    bool
		fails string // part of why
		again string // part of why it is started again
		stage simulator.Stage
	}{
		"nothing yet":      {g: view(func(*guestView) {}), stage: simulator.StageBoot},
		"a console":        {g: view(func(g *guestView) { g.console = ago(time.Second) }), stage: simulator.StageBoot},
		"answers only":     {g: view(func(g *guestView) { g.reached = ago(time.Second) }), stage: simulator.StageBoot},
		"cloud-init runs":  {g: view(func(g *guestView) { says(g, guest.Report{Boot: "b", CloudInit: guest.Running}) }), stage: simulator.StageCloudInit},
		"cloud-init done":  {g: view(func(g *guestView) { says(g, guest.Report{Boot: "b", CloudInit: guest.Done}) }), up: true},
		"no cloud-init":    {g: view(func(g *guestView) { says(g, guest.Report{Boot: "b", CloudInit: guest.Disabled}) }), up: true},
		"cloud-init fails": {g: view(func(g *guestView) { says(g, guest.Report{Boot: "b", CloudInit: guest.Error, Detail: "runcmd failed"}) }), fails: "runcmd failed"},
		"the boot before": {g: view(func(g *guestView) {
			g.before = "b"
			says(g, guest.Report{Boot: "b", CloudInit: guest.Done})
		}), stage: simulator.StageBoot},
		"no reporter, and it answers": {g: view(func(g *guestView) { g.started, g.reached = ago(time.Hour), ago(time.Second) }), up: true},
		"nobody home":                 {g: view(func(g *guestView) { g.started, g.missed = ago(time.Hour), ago(time.Minute) }), fails: "neither reported"},
		"nobody has looked":           {g: view(func(g *guestView) { g.started = ago(time.Hour) }), stage: simulator.StageBoot},
		"never had a reporter":        {g: view(func(g *guestView) { g.expected = false }), up: true},
		"no state of it yet":          {g: view(func(g *guestView) { g.expected, g.state = false, "" }), stage: simulator.StageBoot},
		"ended":                       {g: view(func(g *guestView) { g.running = false }), again: "ended"},
		"panicked":                    {g: view(func(g *guestView) { g.state = qemu.StatePanicked }), again: "panicked"},
		"disk full":                   {g: view(func(g *guestView) { g.state = qemu.StateIOError }), fails: "full"},
	} {
		got := arrived(test.g, now)
		if got.up != test.up || (got.err != nil) != (test.fails != "") || (got.restart != "") != (test.again != "") {
			t.Errorf("%s: %+v", name, got)
		}
		if got.err != nil && !strings.Contains(got.err.Error(), test.fails) || !strings.Contains(got.restart, test.again) {
			t.Errorf("%s: it says %v, %q", name, got.err, got.restart)
		}
		if !got.up && got.err == nil && got.restart == "" && got.stage != test.stage {
			t.Errorf("%s: it is in %s, not %s", name, got.stage, test.stage)
		}
	}
}

// TestPercentGoesUp through the stages in their order, and comes to the whole at their end only.
func TestPercentGoesUp(t *testing.T) {
	last := -1
	for _, stage := range []simulator.Stage{
		simulator.StageImage, simulator.StageDisk, simulator.StageSeed, simulator.StageBoot, simulator.StageCloudInit, simulator.StageDone,
	} {
		for _, part := range []float64{-1, 0, 0.5, 1, 7} {
			now := percent(stage, part)
			if now < last || now > 100 || (now == 100) != (stage == simulator.StageDone) {
				t.Errorf("%s, %g done: %d %%, after %d", stage, part, now, last)
			}
			last = now
		}
	}
}
