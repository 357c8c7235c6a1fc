package fault

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"stargate.io/stargate/test/gitserver"
)

// TestKilledAtEveryWriteOfTheFirstCommit kills the controller at every write of an apply of two hundred objects. No repave
// starts from half a commit, and each ends whole.
//
// Each life ends at its first write, which lands fifteen times out of sixteen: so each write of the apply
// is the last thing that some life did, and the first that the next one finds done.
//
// It is lives one after the other, which leave a processor idle, and lasts longest: so it is no test with two subtests,
// which would come to their turn last.
func TestKilledAtEveryWriteOfTheFirstCommit(t *testing.T) {
	t.Parallel()
	killedInBoth(t, 0, 40)
}

// TestKilledAtEveryWriteOfAChange does the same to a commit that changes most of what is there.
func TestKilledAtEveryWriteOfAChange(t *testing.T) {
	t.Parallel()
	killedInBoth(t, 40, 0)
}

// killedInBoth commits is what a controller is; so many writes at most pass before each blow in the first, and in the second.
func killedInBoth(t *testing.T, first, second int) {
	t.Helper()
	random := rand.New(rand.NewPCG(*seed, uint64(first)))
	f := newFleetRoom(t, random.IntN)
	f.push(whole)
	f.create(f.fleet)
	f.blowByBlow(whole.writes(nil), first)
	f.until("the first commit to be everywhere", f.isDone)
	f.judgeFleet(f.commits[0])
	f.killLast()
	f.push(next)
	f.blowByBlow(next.writes(&whole), second)
	f.until("the second commit to be everywhere", f.isDone)
	f.judgeFleet(f.commits...)
}

// blowByBlow brings the last commit in; at most so many of its writes pass before each blow.
func (f *fleetRoom) blowByBlow(writes, most int) {
	f.Helper()
	b := f.strike(most, false)
	f.rise()
	b.wait()
	f.Logf("%d kills in an apply of %d writes", b.kills, writes)
	least := writes
	if most > 0 {
		least = writes / (most + 16) // as many more as are sent at once
	}
	if b.kills < least {
		f.Errorf("%d kills only in an apply of %d writes", b.kills, writes)
	}
}

// TestForcePushInMidApply rewrites history while the controller lies dead in the middle of an apply: it
// ends at the new head, and nothing of the commit that was lost reaches a machine. What that commit took
// away is there again, if it is of no group: a machine whose Server was made anew is another to its site.
func TestForcePushInMidApply(t *testing.T) {
	t.Parallel()
	first := content{version: "2.0.0", first: 1, last: 12, web: 3, db: 2, profiles: 2}
	lost := content{version: "6.6.6", first: 1, last: 10, web: 3, db: 2, profiles: 4}
	after := content{version: "2.1.0", first: 1, last: 13, web: 3, db: 2, profiles: 1}
	all := lost.writes(&first)
	for _, at := range []int{1, all / 2, all - 6, all - 2} {
		t.Run(fmt.Sprintf("after %d of %d writes", at, all), func(t *testing.T) {
			t.Parallel()
			f := newFleetRoom(t, func(n int) int { return n - 1 })
			f.push(first)
			f.create(f.fleet)
			f.rise()
			f.until("the first commit to be everywhere", f.isDone)
			f.killLast()
			f.push(lost)
			b := f.strike(at-1, true)
			f.rise()
			b.wait()
			if f.isApplied() {
				t.Fatal("it was whole before the force-push came")
			}
			f.push(after, gitserver.CommitOptions{Orphan: true})
			f.rise()
			f.until("the new head to be everywhere", f.isDone)
			f.judgeFleet(f.commits[0], f.commits[2])
		})
	}
}
