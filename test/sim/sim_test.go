package sim_test

import (
	"flag"
	"testing"
	"time"

	"stargate.io/stargate/test/sim"
)

var (
	schedules = flag.Int("sim.schedules", 300, "how many histories to live")
	seed      = flag.Uint64("sim.seed", 0, "the first seed; with -sim.schedules=1 one history, told in full")
	processes = flag.Int("sim.processes", 0, "controller processes at once: 1, 2, or 0 for either")
	faults    = flag.Int("sim.faults", 20, "faults that take effect in each history, at least")
)

// TestHistories lives many histories. One that breaks a promise is told in full, with the command that
// brings it back.
func TestHistories(t *testing.T) {
	begun := time.Now()
	var total sim.Result
	for n := range *schedules {
		at := *seed + uint64(n)
		result := sim.Run(at, sim.Options{Faults: *faults, Processes: *processes})
		total.Faults += result.Faults
		total.Events += result.Events
		total.Jobs += result.Jobs
		total.Operations += result.Operations
		if len(result.Broken) == 0 {
			continue
		}
		told := sim.Run(at, sim.Options{Faults: *faults, Processes: *processes, Keep: true})
		t.Fatalf("go test ./test/sim -run TestHistories -sim.schedules=1 -sim.faults=%d -sim.processes=%d -sim.seed=%d\n%s", *faults, *processes, at, told.Text())
	}
	t.Logf("%d histories in %s: %d faults, %d operations, %d jobs, %d events",
		*schedules, time.Since(begun).Round(time.Millisecond), total.Faults, total.Operations, total.Jobs, total.Events)
}

// TestOneSeedOneHistory lives some histories twice: they are the same to the byte.
func TestOneSeedOneHistory(t *testing.T) {
	for at := range uint64(40) {
		options := sim.Options{Faults: *faults}
		first := sim.Run(at, options)
		options.Keep = true
		if second := sim.Run(at, options); first.Hash != second.Hash {
			t.Errorf("seed %d: %x and %x", at, first.Hash, second.Hash)
		}
	}
}

// TestUndelayedBudget lives histories in which nothing fails and nothing delays: an Operation costs at
// most five writes beyond its creation, progress aside.
func TestUndelayedBudget(t *testing.T) {
	for at := range uint64(100) {
		result := sim.Run(at, sim.Options{Processes: 1, Undisturbed: true})
		if len(result.Broken) > 0 {
			t.Errorf("seed %d: %v", at, result.Broken)
		}
		if most := 5 * result.Operations; result.Writes > most {
			t.Errorf("seed %d: %d writes for %d Operations", at, result.Writes, result.Operations)
		}
	}
}
