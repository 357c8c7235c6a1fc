package health

import (
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

var (
	noon   = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	limits = Limits{
		Silent: 2 * time.Minute, Starting: 5 * time.Minute, Kernel: time.Minute, Unreachable: time.Minute,
		Restarts: 3, Window: 30 * time.Minute, Boots: 4, RoomMiB: 256,
	}
)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// well is a machine that has run for an hour, reports, and answers.
func well() Snapshot {
	return Snapshot{
		Wanted: true, Running: true, State: qemu.StateRunning, Accelerator: qemu.TCG, Started: ago(time.Hour), Output: true, Heard: true,
		LastConsole: ago(50 * time.Minute), LastReport: ago(3 * time.Second), LastReached: ago(4 * time.Second), FreeMiB: 10_000,
	}
}

// mute is a machine whose image has no reporter: it has been up for an hour, and answers.
func mute() Snapshot {
	s := well()
	s.Heard, s.LastReport = false, time.Time{}
	return s
}

// fresh is a machine that was started a while ago, and has said nothing.
func fresh(since time.Duration) Snapshot {
	return Snapshot{Wanted: true, Running: true, State: qemu.StateRunning, Accelerator: qemu.TCG, Started: ago(since), FreeMiB: 10_000}
}

func with(s Snapshot, change func(*Snapshot)) Snapshot {
	change(&s)
	return s
}

func boots(n int, every time.Duration) []Boot {
	var list []Boot
	for i := range n {
		list = append(list, Boot{ID: string(rune('a' + i)), At: ago(time.Duration(n-i) * every)})
	}
	return list
}

func TestDecide(t *testing.T) {
	for name, test := range map[string]struct {
		s         Snapshot
		condition simulator.Condition
		action    Action
		says      string
	}{
		"well":                      {well(), simulator.Healthy, Nothing, ""},
		"well without a reporter":   {mute(), simulator.Healthy, Nothing, ""},
		"told to be off":            {with(well(), func(s *Snapshot) { s.Wanted, s.Running = false, false }), simulator.Off, Nothing, "told"},
		"a job looks away from all": {with(well(), func(s *Snapshot) { s.Job, s.Running, s.State = "j1", false, "" }), simulator.Busy, Nothing, "j1"},
		"given up on":               {with(well(), func(s *Snapshot) { s.Quarantined, s.Running = "its kernel panicked", false }), simulator.Quarantined, Nothing, "repave"},
		"told to be off, and runs":  {with(well(), func(s *Snapshot) { s.Wanted = false }), simulator.Off, TurnOff, "told"},
		"given up on, and runs":     {with(well(), func(s *Snapshot) { s.Quarantined = "its kernel panicked" }), simulator.Quarantined, TurnOff, "repave"},
		"shut itself down":          {with(well(), func(s *Snapshot) { s.State = qemu.StateShutdown }), simulator.Off, TurnOff, "itself"},
		"shut down in a job":        {with(well(), func(s *Snapshot) { s.Job, s.State = "j1", qemu.StateShutdown }), simulator.Busy, Nothing, "j1"},
		"died":                      {with(well(), func(s *Snapshot) { s.Running, s.State = false, "" }), simulator.Dead, Restart, "1 of 3"},
		"died for the third time":   {with(well(), func(s *Snapshot) { s.Running, s.Restarts = false, []time.Time{ago(20 * time.Minute), ago(time.Minute)} }), simulator.Dead, Restart, "3 of 3"},
		"died too often": {with(well(), func(s *Snapshot) {
			s.Running, s.Restarts = false, []time.Time{ago(20 * time.Minute), ago(9 * time.Minute), ago(time.Minute)}
		}), simulator.Quarantined, Quarantine, "given up on"},
		"died often, long ago": {with(well(), func(s *Snapshot) {
			s.Running, s.Restarts = false, []time.Time{ago(50 * time.Minute), ago(40 * time.Minute), ago(31 * time.Minute)}
		}), simulator.Dead, Restart, "1 of 3"},
		"panicked": {with(well(), func(s *Snapshot) { s.State = qemu.StatePanicked }), simulator.Hung, Restart, "panicked"},
		"silent and unreachable": {with(well(), func(s *Snapshot) {
			s.LastReport, s.LastReached, s.FirstMissed = ago(3*time.Minute), ago(3*time.Minute), ago(3*time.Minute)
		}), simulator.Hung, Restart, "says nothing"},
		"silent but for its console":   {with(well(), func(s *Snapshot) { s.LastReport, s.LastConsole = ago(3*time.Minute), ago(time.Second) }), simulator.Healthy, Nothing, ""},
		"reporter died, network lives": {with(well(), func(s *Snapshot) { s.LastReport = ago(3 * time.Minute) }), simulator.Hung, Restart, "says nothing"},
		"frozen within its limit":      {with(well(), func(s *Snapshot) { s.State, s.LastReport = "", ago(time.Minute) }), simulator.Healthy, Nothing, ""},
		"frozen":                       {with(well(), func(s *Snapshot) { s.State, s.LastReport = "", ago(3*time.Minute) }), simulator.Hung, Restart, "QEMU itself"},
		"frozen as it started":         {with(fresh(3*time.Minute), func(s *Snapshot) { s.State = "" }), simulator.Hung, Restart, "QEMU itself"},
		"starting":                     {fresh(4 * time.Minute), simulator.Healthy, Nothing, ""},
		"never says anything at all":   {fresh(time.Hour), simulator.Healthy, Nothing, ""},
		"nor is it on any network":     {with(fresh(time.Hour), func(s *Snapshot) { s.FirstMissed = ago(59 * time.Minute) }), simulator.Healthy, Nothing, ""},
		"mute, and cut off": {with(mute(), func(s *Snapshot) {
			s.LastConsole, s.LastReached, s.FirstMissed = ago(time.Second), ago(65*time.Second), ago(61*time.Second)
		}), simulator.Unreachable, Restart, "it does not answer"},
		"starting again, once heard":  {with(fresh(4*time.Minute), func(s *Snapshot) { s.Heard, s.LastReport = true, ago(10*time.Minute) }), simulator.Healthy, Nothing, ""},
		"not back, once heard":        {with(fresh(6*time.Minute), func(s *Snapshot) { s.Heard, s.LastReport = true, ago(10*time.Minute) }), simulator.Hung, Restart, "says nothing"},
		"mute, and gone from its net": {with(mute(), func(s *Snapshot) { s.LastReached, s.FirstMissed = ago(3*time.Minute), ago(3*time.Minute) }), simulator.Hung, Restart, "says nothing"},
		"cut off for a moment":        {with(well(), func(s *Snapshot) { s.LastReached, s.FirstMissed = ago(11*time.Second), ago(9*time.Second) }), simulator.Healthy, Nothing, ""},
		"cut off":                     {with(well(), func(s *Snapshot) { s.LastReached, s.FirstMissed = ago(41*time.Second), ago(40*time.Second) }), simulator.Unreachable, Nothing, "reports"},
		"cut off for too long":        {with(well(), func(s *Snapshot) { s.LastReached, s.FirstMissed = ago(65*time.Second), ago(61*time.Second) }), simulator.Unreachable, Restart, "reports"},
		"not on its network yet":      {with(fresh(2*time.Minute), func(s *Snapshot) { s.Heard, s.LastReport, s.FirstMissed = true, ago(time.Second), ago(2*time.Minute) }), simulator.Healthy, Nothing, ""},
		"disk full":                   {with(well(), func(s *Snapshot) { s.State, s.FreeMiB = qemu.StateIOError, 3 }), simulator.Paused, Nothing, "3 MiB"},
		"disk full, and room again":   {with(well(), func(s *Snapshot) { s.State = qemu.StateIOError }), simulator.Paused, Continue, "goes on"},
		"stopped by somebody":         {with(well(), func(s *Snapshot) { s.State = qemu.StatePaused }), simulator.Hung, Continue, "somebody"},
		"loops":                       {with(well(), func(s *Snapshot) { s.Boots = boots(4, time.Minute) }), simulator.BootLoop, Quarantine, "booted 4 times"},
		"resets itself unheard":       {with(fresh(time.Minute), func(s *Snapshot) { s.Resets = []time.Time{ago(4), ago(3), ago(2), ago(1)} }), simulator.BootLoop, Quarantine, "booted 4 times"},
		"resets itself, is heard":     {with(well(), func(s *Snapshot) { s.Boots, s.Resets = boots(3, time.Minute), []time.Time{ago(1), ago(2), ago(3)} }), simulator.Healthy, Nothing, ""},
		"boots now and then":          {with(well(), func(s *Snapshot) { s.Boots = boots(4, 10*time.Minute) }), simulator.Healthy, Nothing, ""},
		"KVM ends it":                 {with(fresh(time.Second), func(s *Snapshot) { s.Accelerator, s.State = qemu.KVM, qemu.StateInternalError }), simulator.Hung, RestartTCG, "internal error"},
		"TCG ends it":                 {with(fresh(time.Second), func(s *Snapshot) { s.State = qemu.StateInternalError }), simulator.Hung, Restart, "internal error"},
		"KVM never wrote a line":      {with(fresh(time.Minute), func(s *Snapshot) { s.Accelerator = qemu.KVM }), simulator.Hung, RestartTCG, "wrote nothing"},
		"KVM takes its time":          {with(fresh(time.Second), func(s *Snapshot) { s.Accelerator = qemu.KVM }), simulator.Healthy, Nothing, ""},
		"KVM, quiet, and it answers":  {with(fresh(time.Minute), func(s *Snapshot) { s.Accelerator, s.LastReached = qemu.KVM, ago(time.Second) }), simulator.Healthy, Nothing, ""},
		"TCG takes its time":          {fresh(time.Minute), simulator.Healthy, Nothing, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := Decide(test.s, limits, noon)
			if v.Condition != test.condition || v.Action != test.action {
				t.Errorf("it is %s, and is to %s (%s); not %s, %s", v.Condition, v.Action, v.Message, test.condition, test.action)
			}
			if !strings.Contains(v.Message, test.says) || (v.Message == "") != (v.Condition == simulator.Healthy) {
				t.Errorf("it says %q", v.Message)
			}
		})
	}
}

// TestNothingIsDoneForEver: whatever is wrong with a machine all the time, it is started again a few times only, and
// then left alone.
func TestNothingIsDoneForEver(t *testing.T) {
	for name, wrong := range map[string]func(*Snapshot){
		"dead":     func(s *Snapshot) { s.Running = false },
		"panicked": func(s *Snapshot) { s.State = qemu.StatePanicked },
		"internal": func(s *Snapshot) { s.State = qemu.StateInternalError },
		"frozen": func(s *Snapshot) {
			s.State, s.LastReport, s.LastReached, s.LastConsole = "", time.Time{}, time.Time{}, time.Time{}
		},
		"cut off": func(s *Snapshot) { s.FirstMissed = s.LastReached.Add(time.Second) },
	} {
		s, restarts := with(well(), wrong), 0
		for now := noon; now.Before(noon.Add(25 * time.Minute)); now = now.Add(10 * time.Second) {
			s.LastReport = map[bool]time.Time{true: now}[name == "cut off"]
			switch v := Decide(s, limits, now); v.Action {
			case Restart, RestartTCG:
				restarts++
				s.Restarts = append(s.Restarts, now)
			case Quarantine:
				s.Quarantined = v.Message
			default:
			}
		}
		if restarts != limits.Restarts || s.Quarantined == "" {
			t.Errorf("%s: started again %d times, then %q", name, restarts, s.Quarantined)
		}
	}
}
