package forecast

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

// Input of a forecast. Nothing of it is changed, and its functions but Progress are safe for concurrent use.
type Input struct {
	// Now is when it begins.
	Now time.Time
	// What lives then: after the commit, with its stamps.
	Servers     []*v1alpha1.Server
	Groups      []*v1alpha1.ServerGroup
	Profiles    []*v1alpha1.ProvisioningProfile
	Datacenters []*v1alpha1.Datacenter
	Fleets      []*v1alpha1.Fleet
	// Operations that have not ended, and those that failed lately, which policies count.
	Operations []*v1alpha1.Operation
	// Policies that judge them, in the order of their names.
	Policies []ledger.Policy
	// Vouch says what admission vouches for of an Operation that lives already; nil for all of it. Of one
	// that a rollout is yet to make it will vouch for all.
	Vouch func(*ledger.Subject)
	// Hash over what reaches a server of a profile; false where it cannot be known, which is taken for
	// content that no server has.
	Hash func(*v1alpha1.ProvisioningProfile) (string, bool)
	// Durations of repaves.
	Durations Durations
	// Horizon is how far to look; zero for DefaultHorizon.
	Horizon time.Duration
	// Step of the clock: what happens within one is decided on together. Zero for a second.
	Step time.Duration
	// Decisions is how many may be taken before the forecast gives up; zero for DefaultDecisions.
	Decisions int
	// Progress, where it is not nil, is told now and then how many Operations have ended.
	Progress func(ended int)
}

const (
	// DefaultHorizon of a forecast.
	DefaultHorizon = 90 * 24 * time.Hour
	// DefaultDecisions that a forecast may take.
	DefaultDecisions = 2_000_000
)
