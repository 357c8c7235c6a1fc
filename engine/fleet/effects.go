package fleet

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// Effect is the next thing to do.
type Effect interface{ effect() }

type (
	// Resolve asks where the ref points. It may take long: the answer comes in a later pass.
	Resolve struct{ For Wish }
	// Fetch a commit, verify its signature and read its tree. The answer comes in a later pass.
	Fetch struct {
		Head
		// Quiet: it is only wanted to put drift back, and a failure of it is no failure of the fleet.
		Quiet bool
	}
	// Weigh forecasts what a commit that was read would do.
	Weigh struct{ Commit string }
	// Compare the objects of the commit with those of the cluster.
	Compare struct{ Commit string }
	// WriteStatus by compare-and-swap; the events are told once it is in.
	WriteStatus struct {
		// Step names it, for logs: "BeginApply", "FinishApply", "Hold", "Refuse", …
		Step   string
		Status v1alpha1.FleetStatus
		Events []Event
	}
	// Apply sends what of a commit differs, and prunes. The answer comes in a later pass.
	Apply struct {
		Commit string
		Number int64
		// PutBack: the commit is in, and somebody changed objects of it.
		PutBack bool
	}
	// Rest until a time, or, where that is zero, until something changes.
	Rest struct{ Until time.Time }
)

// Event is told about the Fleet.
type Event struct {
	Warning         bool
	Reason, Message string
}

func (Resolve) effect()     {}
func (Fetch) effect()       {}
func (Weigh) effect()       {}
func (Compare) effect()     {}
func (WriteStatus) effect() {}
func (Apply) effect()       {}
func (Rest) effect()        {}
