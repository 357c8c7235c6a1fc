package forecast

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// Timeline is what would happen.
type Timeline struct {
	// Groups that have servers, by namespace and name.
	Groups []Group
	// Starts in their order.
	Starts []Start
	// Denied Operations, in the order in which they are.
	Denied []Denied
	// Complete: every rollout is through within the horizon. Otherwise the groups say what holds them.
	Complete bool
	// Cut: the forecast gave up before its horizon, since too much was to be decided.
	Cut bool
	// End is when the last Operation likely ends, and LateEnd when it does if all take long; zero for none.
	End, LateEnd time.Time
	// Worst moment of all groups that start something.
	Worst Moment
	// Runs of the past that the times rest on.
	Runs int
	// Decisions that were taken.
	Decisions int
}

// Start of one Operation.
type Start struct {
	// Made is when its rollout makes it, At when its site begins.
	Made, At                             time.Time
	Namespace, Group, Wave, Server, Name string
}

// Denied is an Operation that a policy ends.
type Denied struct {
	At                             time.Time
	Namespace, Group, Wave, Server string
	// Hold with the policy, the rule and the message.
	Hold v1alpha1.Hold
}

// Moment with the fewest servers up, of those that were ever touched before: the others serve nobody yet.
type Moment struct {
	At time.Time
	// Up servers then, Of so many; Floor is what the budgets leave in any case.
	Up, Of, Floor int
}

// Group of the timeline.
type Group struct {
	Namespace, Name string
	// Profile and Revision that its servers are brought to.
	Profile, Revision string
	// Servers that it selects, and Unchanged ones: they have what they should have.
	Servers, Unchanged int
	// Skipped are those that differ and are not touched, for a reason of their own.
	Skipped []Skipped
	Waves   []Wave
	// Complete: it is through within the horizon; otherwise Holds say what keeps it.
	Complete bool
	Holds    []v1alpha1.Hold
	// Worst moment of it.
	Worst Moment
	// Approvals that are assumed to be given at once: of waves by name, "guard" for the guard's.
	Approvals []string
}

// Skipped is a server that a rollout passes by.
type Skipped struct {
	Server, Reason, Message string
}

// Wave of a group.
type Wave struct {
	Name string
	// Servers in the order in which they start.
	Servers []string
	// Start is the earliest, Done is when the last server likely is, soak not included, and LateDone when
	// it is if all take long. Zero for never within the horizon.
	Start, Done, LateDone time.Time
	// Estimate of one Operation; of the first, where sites differ.
	Estimate Estimate
	// Peak is how many run at once, at most.
	Peak int
	// HeldBy tells what it waits for on its way.
	HeldBy []v1alpha1.Hold
	// Approval is assumed to be given at once.
	Approval bool
}
