package forecast

import (
	"slices"
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// Estimate of how long an Operation takes, from its dispatch to its end.
type Estimate struct {
	// Likely is the median, Late what nine in ten do not exceed.
	Likely, Late time.Duration
	// Runs that it rests on; none for an assumption.
	Runs int
}

// Assumed of a repave where none was ever seen, and of what is no repave.
var (
	AssumedRepave = Estimate{Likely: 20 * time.Minute, Late: 40 * time.Minute}
	AssumedOther  = Estimate{Likely: 5 * time.Minute, Late: 15 * time.Minute}
)

// ExpectedOf an Operation's duration, as its policies are told.
func ExpectedOf(op *v1alpha1.Operation) time.Duration {
	if op.Spec.Operation == v1alpha1.ActionRepave {
		return AssumedRepave.Likely
	}
	return AssumedOther.Likely
}

// enough runs of one site and profile to go by them alone.
const enough = 3

// Durations of repaves, by site and profile.
type Durations struct {
	ofBoth    map[kindOfRun]Estimate
	ofProfile map[kindOfRun]Estimate
	all       Estimate
}

// kindOfRun is what repaves are told apart by.
type kindOfRun struct {
	site    SiteKey
	profile string
}

// SiteKey names the Datacenter that reaches a server; Name is empty for the one without an object.
type SiteKey struct{ Namespace, Name string }

// DurationsOf learns from repaves that succeeded, at the sites that their Servers have.
func DurationsOf(operations []*v1alpha1.Operation, site func(*v1alpha1.Operation) SiteKey) Durations {
	both, profile := map[kindOfRun][]time.Duration{}, map[kindOfRun][]time.Duration{}
	var all []time.Duration
	for _, op := range operations {
		took, ok := durationOf(op)
		if !ok {
			continue
		}
		name := op.Spec.ProvisioningProfileRef.Name
		both[kindOfRun{site(op), name}] = append(both[kindOfRun{site(op), name}], took)
		profile[kindOfRun{profile: name}] = append(profile[kindOfRun{profile: name}], took)
		all = append(all, took)
	}
	d := Durations{ofBoth: map[kindOfRun]Estimate{}, ofProfile: map[kindOfRun]Estimate{}, all: estimateOf(all)}
	for kind, runs := range both {
		d.ofBoth[kind] = estimateOf(runs)
	}
	for kind, runs := range profile {
		d.ofProfile[kind] = estimateOf(runs)
	}
	return d
}

// durationOf a repave that succeeded, of all its attempts.
func durationOf(op *v1alpha1.Operation) (time.Duration, bool) {
	attempts := op.Status.Attempts
	if op.Spec.Operation != v1alpha1.ActionRepave || op.Spec.ProvisioningProfileRef == nil ||
		op.Status.Phase != v1alpha1.OperationSucceeded || len(attempts) == 0 {
		return 0, false
	}
	end := attempts[len(attempts)-1].EndedAt
	if end == nil {
		return 0, false
	}
	took := end.Sub(attempts[0].StartedAt.Time)
	return took, took > 0
}

func estimateOf(runs []time.Duration) Estimate {
	if len(runs) == 0 {
		return Estimate{}
	}
	slices.Sort(runs)
	at := func(percent int) time.Duration { return runs[min(len(runs)-1, len(runs)*percent/100)] }
	return Estimate{Likely: at(50), Late: at(90), Runs: len(runs)}
}

// Of a repave with a profile at a site: what was seen there, else what was seen of the profile, else of
// all, else what is assumed.
func (d Durations) Of(site SiteKey, profile string) Estimate {
	for _, e := range []Estimate{d.ofBoth[kindOfRun{site, profile}], d.ofProfile[kindOfRun{profile: profile}]} {
		if e.Runs >= enough {
			return e
		}
	}
	if d.all.Runs > 0 {
		return d.all
	}
	return AssumedRepave
}

// Runs that were seen in all.
func (d Durations) Runs() int { return d.all.Runs }
