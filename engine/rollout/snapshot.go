package rollout

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// Snapshot is everything that a decision may know. It is a value: Decide changes nothing in it.
type Snapshot struct {
	// Now is the time of the decision.
	Now time.Time
	// Group as last read. Never nil.
	Group *v1alpha1.ServerGroup
	// Profile that it names.
	Profile Profile
	// Servers that its selector takes, in any order (by name costs least), and those of status.inFlight
	// that it no longer does.
	Servers []*v1alpha1.Server
	// Operations that have not ended, and those of status.inFlight, by name.
	Operations map[string]*v1alpha1.Operation
	// Gone names Operations of status.inFlight that are not in Operations because the API server itself,
	// asked for them, has none. The Server of each was read from it too, after that: see
	// Decision.Confirm.
	Gone map[string]bool
	// SharedWith names, for a server that another group selects too, that group.
	SharedWith map[string]string
	// Conflicts names, for a server whose identity another Server of the datacenter has too, what they
	// share.
	Conflicts map[string][]string
	// Fleet that the group comes from; nil for none, or where FleetName is set and it is gone.
	Fleet *v1alpha1.Fleet
	// FleetName as the group's label has it; empty for none.
	FleetName string
	// Guarded is the number of servers that a percentage of the guard is of: those of the fleet, or of
	// the namespace where there is none.
	Guarded int
}

// Profile is a group's profile, resolved.
type Profile struct {
	// Name of it.
	Name string
	// Hash over what reaches a machine; empty where Problem is set.
	Hash string
	// Inputs of the release: see Inputs.
	Inputs string
	// OSVersion that it says.
	OSVersion string
	// Apply is the number of the fleet's apply that last wrote it; 0 where it is not of the group's
	// fleet.
	Apply int64
	// Problem that keeps it from being used; nil for none.
	Problem *v1alpha1.Hold
}

// Decision is what follows from a Snapshot.
type Decision struct {
	// Status of the group. It is written, by compare-and-swap, before anything else is done; what it
	// says of time moves only where something else does.
	Status v1alpha1.ServerGroupStatus
	// Create are Operations to make, each of a server that Status.InFlight holds. One that exists
	// already is what was asked for.
	Create []*v1alpha1.Operation
	// Cancel are names of Operations that have not started and are not wanted any more.
	Cancel []string
	// Confirm are names of Operations that are not seen, and of which it matters whether they exist. For
	// each, in this order: read it from the API server; where there is none, read its Server from it as
	// well, and decide again with the name in Snapshot.Gone.
	Confirm []string
	// Wake is when to decide again, though nothing changes meanwhile; zero for never.
	Wake time.Time
	// Events to tell.
	Events []Event
}

// Event tells of a transition.
type Event struct {
	Warning         bool
	Reason, Message string
}
