// Package health judges a machine: what is wrong with it, and what is to be done about it.
//
// In: a Snapshot, which is all that is known of a machine, the limits, and a time. Out: a Verdict: a condition, an action,
// and a sentence for people. Whoever asks carries the action out, writes it down in the next snapshot, and asks again.
//
//	Off ◀─ told to be, or by itself    Busy ◀─ a job is on it (nothing else is looked at)
//	               ┌───────────────────────────────────────────────────────┐
//	Healthy ──▶ Dead         its process is gone                 restart   │
//	        ──▶ Hung         it says nothing within its limit    restart   ├─ too often ──▶ Quarantined
//	        ──▶ Unreachable  it reports, and does not answer     restart   │                (until a repave)
//	        ──▶ BootLoop     it starts again and again           ──────────┘
//	        ──▶ Paused       the host's disk is full             cont, once there is room
//
// It never looks at anything itself, and knows no clock.
package health

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

// Action is what is to be done about a machine.
type Action string

// The actions.
const (
	Nothing    Action = "nothing"
	Restart    Action = "restart"     // kill what is left of it, and start it again
	RestartTCG Action = "restart-tcg" // the same, without KVM from now on
	Continue   Action = "continue"    // let a machine go on that QEMU stopped
	Quarantine Action = "quarantine"  // stop it, and leave it off
	TurnOff    Action = "turn-off"    // end what is left of one that is off
)

// Limits of patience.
type Limits struct {
	// Silent is how long a machine may say nothing, neither through its channel nor on its console.
	Silent time.Duration
	// Starting is how long it may take after a start until Silent and Unreachable count.
	Starting time.Duration
	// Kernel is how long a machine under KVM may leave its console empty after a start before KVM is held for broken.
	Kernel time.Duration
	// Unreachable is how long a machine that reports may not answer on its network.
	Unreachable time.Duration
	// Restarts within Window are done; the next is a quarantine. As many boots of the guest's own without an end of its
	// cloud-init are a loop.
	Restarts int
	Window   time.Duration
	// Boots without cloud-init coming to its end make a boot loop.
	Boots int
	// RoomMiB must be free on the state folder's file system before a machine that was stopped for want of it goes on.
	RoomMiB int64
}

// DefaultLimits suit machines under TCG on a busy host.
func DefaultLimits() Limits {
	return Limits{
		Silent: 2 * time.Minute, Starting: 5 * time.Minute, Kernel: 2 * time.Minute, Unreachable: time.Minute,
		Restarts: 3, Window: 30 * time.Minute, Boots: 5, RoomMiB: 256,
	}
}

// Boot of the guest, as the guest told.
type Boot struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// Snapshot is what is known of a machine.
type Snapshot struct {
	// Wanted: it is to be on. Job is on it. Quarantined: it was given up on, and why.
	Wanted      bool
	Job         string
	Quarantined string
	// Running: its process is there. State is QEMU's own, empty where its monitor does not answer.
	Running     bool
	State       string
	Accelerator string
	// Started is when its process was, or the guest was last reset by us.
	Started time.Time
	// Output: anything is in the console's log since Started, beyond what firmware and boot loader write.
	Output bool
	// LastConsole is when the console's log grew, LastReport when the guest reported; zero for never since the repave.
	LastConsole, LastReport time.Time
	// Heard: the guest has reported since its repave, so its image has a reporter.
	Heard bool
	// LastReached is when the guest answered on its network; FirstMissed when it did not for the first time since.
	LastReached, FirstMissed time.Time
	// Boots of the guest since its cloud-init last came to an end, oldest first, and Resets that it made itself, of which a
	// guest that gets nowhere makes some without being heard of.
	Boots  []Boot
	Resets []time.Time
	// Restarts that were done for its health, oldest first.
	Restarts []time.Time
	// FreeMiB of the state folder's file system.
	FreeMiB int64
}

// Verdict on a machine.
type Verdict struct {
	Condition simulator.Condition
	Action    Action
	Message   string
}

// Decide what is wrong with a machine, and what to do about it.
func Decide(s Snapshot, limits Limits, now time.Time) Verdict {
	switch {
	case s.Job != "":
		return Verdict{simulator.Busy, Nothing, "job " + s.Job + " is on it"}
	case s.Quarantined != "":
		return Verdict{simulator.Quarantined, leftover(s), s.Quarantined + "; a repave or a power on gives it another chance"}
	case !s.Wanted:
		return Verdict{simulator.Off, leftover(s), "it was told to be off, or shut itself down"}
	case s.Running && s.State == qemu.StateShutdown:
		return Verdict{simulator.Off, TurnOff, "it shut itself down"}
	}
	for _, look := range []func(Snapshot, Limits, time.Time) (Verdict, bool){dead, broken, full, stopped, panicked, looping, hung, unreachable} {
		if verdict, wrong := look(s, limits, now); wrong {
			return bounded(verdict, s, limits, now)
		}
	}
	return Verdict{simulator.Healthy, Nothing, ""}
}

// leftover of one that is to be off: a process whose end was decided on, and whoever decided died before it.
func leftover(s Snapshot) Action {
	if s.Running {
		return TurnOff
	}
	return Nothing
}

// bounded turns a restart too many into a quarantine.
func bounded(v Verdict, s Snapshot, limits Limits, now time.Time) Verdict {
	if v.Action != Restart && v.Action != RestartTCG {
		return v
	}
	recent := within(limits.Window, now, slices.Values(s.Restarts))
	if recent < limits.Restarts {
		v.Message += fmt.Sprintf("; it is started again (%d of %d within %s)", recent+1, limits.Restarts, short(limits.Window))
		return v
	}
	return Verdict{simulator.Quarantined, Quarantine,
		fmt.Sprintf("%s; it was started again %d times within %s, and is given up on", v.Message, recent, short(limits.Window))}
}

func dead(s Snapshot, _ Limits, _ time.Time) (Verdict, bool) {
	return Verdict{simulator.Dead, Restart, "its process is gone"}, !s.Running
}

// Broken tells whether QEMU or its accelerator gave up on a machine, whoever works on it: under KVM it is to be started
// again without.
func Broken(s Snapshot, limits Limits, now time.Time) (reason string, yes bool) {
	v, yes := broken(s, limits, now)
	return v.Message, yes
}

// broken: a KVM that creates machines and cannot run them says so with an internal error, or with a kernel that never
// writes a line.
func broken(s Snapshot, limits Limits, now time.Time) (Verdict, bool) {
	switch {
	case s.State == qemu.StateInternalError && s.Accelerator == qemu.KVM:
		return Verdict{simulator.Hung, RestartTCG, "KVM ended it with an internal error"}, true
	case s.State == qemu.StateInternalError:
		return Verdict{simulator.Hung, Restart, "QEMU ended it with an internal error"}, true
	case s.Accelerator == qemu.KVM && s.State == qemu.StateRunning && !s.Output && !s.Heard && s.LastReached.Before(s.Started) && now.Sub(s.Started) >= limits.Kernel:
		return Verdict{simulator.Hung, RestartTCG, fmt.Sprintf("under KVM its kernel wrote nothing for %s", short(now.Sub(s.Started)))}, true
	}
	return Verdict{}, false
}

func full(s Snapshot, limits Limits, _ time.Time) (Verdict, bool) {
	if s.State != qemu.StateIOError {
		return Verdict{}, false
	}
	if s.FreeMiB < limits.RoomMiB {
		return Verdict{simulator.Paused, Nothing,
			fmt.Sprintf("QEMU stopped it on an I/O error: the host's disk has %d MiB left; it goes on once there are %d", s.FreeMiB, limits.RoomMiB)}, true
	}
	return Verdict{simulator.Paused, Continue, fmt.Sprintf("QEMU stopped it on an I/O error; the host's disk has %d MiB again, and it goes on", s.FreeMiB)}, true
}

// stopped: nobody who means well stops a machine that is to be on.
func stopped(s Snapshot, _ Limits, _ time.Time) (Verdict, bool) {
	return Verdict{simulator.Hung, Continue, "somebody stopped it; it goes on"}, s.State == qemu.StatePaused
}

func panicked(s Snapshot, _ Limits, _ time.Time) (Verdict, bool) {
	return Verdict{simulator.Hung, Restart, "its kernel panicked"}, s.State == qemu.StatePanicked
}

// within counts the times that are not longer ago than a window.
func within(window time.Duration, now time.Time, times iter.Seq[time.Time]) int {
	recent := 0
	for at := range times {
		if now.Sub(at) < window {
			recent++
		}
	}
	return recent
}

// Looping tells whether a machine starts again and again without coming up, whoever works on it.
func Looping(s Snapshot, limits Limits, now time.Time) (reason string, yes bool) {
	v, yes := looping(s, limits, now)
	return v.Message, yes
}

// looping counts boots since the last one that came to the end of cloud-init. Starting such a machine again would only
// be one boot more.
func looping(s Snapshot, limits Limits, now time.Time) (Verdict, bool) {
	boots := within(limits.Window, now, func(yield func(time.Time) bool) {
		for _, boot := range s.Boots {
			if !yield(boot.At) {
				return
			}
		}
	})
	recent := max(boots, within(limits.Window, now, slices.Values(s.Resets)))
	if recent < limits.Boots {
		return Verdict{}, false
	}
	message := fmt.Sprintf("it booted %d times within %s and never came to the end of its cloud-init", recent, short(limits.Window))
	return Verdict{simulator.BootLoop, Quarantine, message}, true
}

// hung: a machine whose image has a reporter is judged by it and by the console; one without that has written to its
// console once may be silent for good, and is judged by its network.
func hung(s Snapshot, limits Limits, now time.Time) (Verdict, bool) {
	if now.Sub(s.Started) < limits.Starting && s.State != "" {
		return Verdict{}, false
	}
	last := latest(s.Started, s.LastConsole, s.LastReport)
	if !s.Heard {
		last = latest(last, s.LastReached)
	}
	silent := now.Sub(last)
	if silent < limits.Silent {
		return Verdict{}, false
	}
	if !s.Heard && s.LastReached.IsZero() && s.State == qemu.StateRunning {
		// Neither a reporter nor an address that ever answered: there is nothing by which to tell it from one that idles.
		return Verdict{}, false
	}
	if s.State == "" {
		return Verdict{simulator.Hung, Restart, fmt.Sprintf("it says nothing for %s, and QEMU itself does not answer", short(silent))}, true
	}
	return Verdict{simulator.Hung, Restart, fmt.Sprintf("it says nothing for %s, through its channel, its console or otherwise", short(silent))}, true
}

// unreachable: it speaks, so a start would cost what it runs; within the limit it is only told.
func unreachable(s Snapshot, limits Limits, now time.Time) (Verdict, bool) {
	if !s.Heard && s.LastReached.IsZero() {
		return Verdict{}, false // see hung: nothing tells it from one that idles
	}
	if s.FirstMissed.IsZero() || !s.FirstMissed.After(s.LastReached) || now.Sub(s.Started) < limits.Starting && s.LastReached.Before(s.Started) {
		return Verdict{}, false
	}
	missed := now.Sub(s.FirstMissed)
	v := Verdict{simulator.Unreachable, Nothing, fmt.Sprintf("it does not answer on its network for %s", short(missed))}
	if s.Heard {
		v.Message = "it reports, and does not" + strings.TrimPrefix(v.Message, "it does not")
	}
	if missed >= limits.Unreachable {
		v.Action = Restart
	}
	return v, missed >= limits.Unreachable/2
}

func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, at := range times {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// short is a duration as people write it.
func short(d time.Duration) string { return d.Round(time.Second).String() }
