package sim_test

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/test/sim"
)

var (
	schedules = flag.Int("sim.schedules", 300, "how many histories to live")
	seed      = flag.Uint64("sim.seed", 0, "the first seed")
	processes = flag.Int("sim.processes", 0, "controller processes at once: 1, 2, or 0 for either")
	faults    = flag.Int("sim.faults", 20, "faults that take effect in each history, at least")
	told      = flag.Bool("sim.told", false, "tell every history in full, broken or not")
)

func options() sim.Options { return sim.Options{Faults: *faults, Processes: *processes} }

// TestHistories lives many histories, each in one goroutine and as many at once as there are cores.
// One that breaks a promise is told in full, with the command that brings it back.
func TestHistories(t *testing.T) {
	begun := time.Now()
	var next atomic.Uint64
	var all sync.WaitGroup
	var total sim.Result
	var mu sync.Mutex
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := next.Add(1) - 1; n < uint64(*schedules) && !t.Failed(); n = next.Add(1) - 1 {
				result := sim.Run(*seed+n, options())
				if len(result.Broken) > 0 || *told {
					tell(t, result)
				}
				mu.Lock()
				total.Faults += result.Faults
				total.Events += result.Events
				total.Jobs += result.Jobs
				total.Operations += result.Operations
				mu.Unlock()
			}
		})
	}
	all.Wait()
	t.Logf("%d histories in %s: %d faults, %d operations, %d jobs, %d events",
		*schedules, time.Since(begun).Round(time.Millisecond), total.Faults, total.Operations, total.Jobs, total.Events)
}

// tell lives a history once more, and keeps what happens.
func tell(t *testing.T, result sim.Result) {
	full := options()
	full.Keep = true
	text := sim.Run(result.Seed, full).Text()
	if len(result.Broken) == 0 {
		t.Log(text)
		return
	}
	t.Errorf("go test ./test/sim -run TestHistories -sim.schedules=1 -sim.faults=%d -sim.processes=%d -sim.seed=%d\n%s",
		*faults, *processes, result.Seed, text)
}

// TestOneSeedOneHistory lives some histories twice: they are the same to the byte.
func TestOneSeedOneHistory(t *testing.T) {
	for at := range uint64(40) {
		first := sim.Run(at, options())
		again := options()
		again.Keep = true
		if second := sim.Run(at, again); first.Hash != second.Hash {
			t.Errorf("seed %d: %x and %x", at, first.Hash, second.Hash)
		}
	}
}

// TestUndelayedBudget lives histories in which nothing fails and nothing delays: an Operation costs at
// most five writes beyond its creation.
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
