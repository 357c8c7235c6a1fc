package machine

import (
	"fmt"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/guest"
	"stargate.io/stargate/simulator/qemu"
)

// guestView is what is known of a guest that is awaited.
type guestView struct {
	running bool
	state   string
	started time.Time
	report  guest.Report
	at      time.Time // of the report; zero for none
	before  string    // the boot that is not to be this one
	// reached and missed are when it answered on its network, and when it did not for the first time since.
	reached, missed time.Time
	console         time.Time
	// expected: a reporter is.
	expected bool
	limit    time.Duration
}

// arrived decides how far a guest is. What it says of itself decides; one that says nothing is up when it answers on its
// network and had the time that a reporter takes.
func arrived(g guestView, now time.Time) arrival {
	if !g.running {
		return arrival{restart: "its process ended as it booted"}
	}
	switch g.state {
	case qemu.StateShutdown:
		return arrival{restart: "it shut itself down as it booted"}
	case qemu.StatePanicked:
		return arrival{restart: "its kernel panicked as it booted"}
	case qemu.StateIOError:
		return arrival{err: fmt.Errorf("booting: QEMU stopped the machine on an I/O error: the host's disk is full: make room, and repave it again")}
	}
	if !g.at.IsZero() && g.report.Boot != g.before {
		return reported(g.report)
	}
	since := now.Sub(g.started)
	if !g.expected {
		// It never had a reporter. That it runs is all there is to see, and to wait for.
		return arrival{up: g.state == qemu.StateRunning, stage: simulator.StageBoot}
	}
	if since >= g.limit {
		if g.reached.After(g.started) {
			return arrival{up: true}
		}
		if !g.missed.After(g.started) {
			return arrival{stage: simulator.StageBoot} // nobody has looked yet
		}
		return arrival{err: fmt.Errorf("booting: after %s the guest has neither reported nor answered on its network: "+
			"see its console for why, and whether its image has cloud-init", since.Round(time.Second))}
	}
	message := "nothing on its console yet"
	if g.console.After(g.started) {
		message = "firmware and kernel"
	}
	return arrival{stage: simulator.StageBoot, message: message}
}

// reported decides by what the guest says of this boot.
func reported(report guest.Report) arrival {
	switch report.CloudInit {
	case guest.Done, guest.Disabled:
		return arrival{up: true}
	case guest.Error:
		return arrival{err: fmt.Errorf("running cloud-init: the guest says: %s", report.Detail)}
	default:
		return arrival{stage: simulator.StageCloudInit, message: report.Detail}
	}
}

// share of the whole that is done when a stage begins, in percent.
var share = map[simulator.Stage]float64{
	simulator.StageImage: 0, simulator.StageDisk: 40, simulator.StageSeed: 45, simulator.StageBoot: 48,
	simulator.StageCloudInit: 70, simulator.StageDone: 100,
}

// following stage, whose beginning is a stage's end.
var following = map[simulator.Stage]simulator.Stage{
	simulator.StageImage: simulator.StageDisk, simulator.StageDisk: simulator.StageSeed, simulator.StageSeed: simulator.StageBoot,
	simulator.StageBoot: simulator.StageCloudInit, simulator.StageCloudInit: simulator.StageDone, simulator.StageDone: simulator.StageDone,
}

// percent of a job that is in a stage, of which a part (0 to 1) is done. The whole is reached by the end only.
func percent(stage simulator.Stage, part float64) int {
	from, to := share[stage], share[following[stage]]
	done := int(from + (to-from)*min(max(part, 0), 1))
	if stage != simulator.StageDone {
		return min(done, 99)
	}
	return done
}

// tell how far the job is; only what changed is told, and percent never goes back.
func (r *run) tell(stage simulator.Stage, part float64, message string) {
	if r.report == nil {
		return
	}
	p := simulator.Progress{Stage: stage, Percent: max(percent(stage, part), r.last.Percent), Message: message}
	if p != r.last {
		r.last = p
		r.report(p)
	}
}

// usual is how long a guest takes to come up that never has before.
const usual = 90 * time.Second

// elapsed gives which part of a stage is over, by how long the last boot took. Of that the kernel takes a third.
func (r *run) elapsed(stage simulator.Stage) float64 {
	known := r.m.known()
	whole := known.Took[simulator.StageCloudInit]
	if whole <= 0 {
		whole = usual
	}
	since := time.Since(known.Started)
	if stage == simulator.StageBoot {
		return min(float64(since)/float64(whole/3), 0.95)
	}
	return min(float64(since-whole/3)/float64(whole-whole/3), 0.95)
}
