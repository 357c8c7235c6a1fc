package operation

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
)

// Rollout is what a ServerGroup says of an Operation that its rollout made.
type Rollout struct {
	// Reason and Message why it is not wanted any more; empty where it is.
	Reason, Message string
	// Hold that keeps it from starting; nil for none.
	Hold *v1alpha1.Hold
}

// RolloutOf asks a group about an Operation that its rollout made. group and fleet are nil where there
// are none. exact says that all of them are as the API server has them in this moment: then a group that
// holds no place for the Operation did not make it, or has given it up.
func RolloutOf(op *v1alpha1.Operation, server *v1alpha1.Server, group *v1alpha1.ServerGroup, fleet *v1alpha1.Fleet, exact bool, now time.Time) *Rollout {
	rollout := &Rollout{}
	if begun(&op.Status) {
		return rollout // what was begun is seen out
	}
	if rollout.Reason, rollout.Message = unwanted(op, server, group, exact); rollout.Reason != "" {
		return rollout
	}
	if rollout.Hold = pausedRollout(group, now); rollout.Hold == nil {
		rollout.Hold = suspendedFleet(fleet, now)
	}
	return rollout
}

// unwanted tells whether a group no longer wants an Operation that its rollout made.
func unwanted(op *v1alpha1.Operation, server *v1alpha1.Server, group *v1alpha1.ServerGroup, exact bool) (reason, message string) {
	const untouched = "nothing was done to the machine"
	name, profile := op.Labels[v1alpha1.LabelGroup], op.Spec.ProvisioningProfileRef
	switch {
	case group == nil || group.DeletionTimestamp != nil:
		return v1alpha1.ReasonGroupGone, fmt.Sprintf("ServerGroup %s, whose rollout made this Operation, is gone; %s", name, untouched)
	case group.CreationTimestamp.After(op.CreationTimestamp.Time):
		return v1alpha1.ReasonGroupGone, fmt.Sprintf("ServerGroup %s was made anew, and the rollout of the one before it made this Operation; %s", name, untouched)
	case exact && !holdsPlace(group, op.Name):
		return v1alpha1.ReasonGroupGone, fmt.Sprintf("the rollout of ServerGroup %s holds no place for this Operation (status.inFlight); %s", name, untouched)
	case profile != nil && profile.Name != group.Spec.ProvisioningProfileRef.Name:
		return v1alpha1.ReasonProfileChanged, fmt.Sprintf("ServerGroup %s names the profile %s now; %s, and the group decides anew", name, group.Spec.ProvisioningProfileRef.Name, untouched)
	case server != nil && !selects(group, server):
		return v1alpha1.ReasonServerChanged, fmt.Sprintf("ServerGroup %s no longer selects server %s; %s", name, server.Name, untouched)
	}
	return "", ""
}

func holdsPlace(group *v1alpha1.ServerGroup, operation string) bool {
	return slices.ContainsFunc(group.Status.InFlight, func(slot v1alpha1.InFlightServer) bool { return slot.Operation == operation })
}

func selects(group *v1alpha1.ServerGroup, server *v1alpha1.Server) bool {
	selector, err := group.Spec.Selector.Selector()
	return err == nil && selector.Matches(labels.Set(server.Labels))
}

// pausedRollout gives what keeps every Operation of a group's rollout from starting; nil for nothing.
func pausedRollout(group *v1alpha1.ServerGroup, now time.Time) *v1alpha1.Hold {
	rollout := &group.Spec.Rollout
	if !rollout.Paused || (rollout.PausedUntil != nil && !rollout.PausedUntil.After(now)) {
		return nil
	}
	return &v1alpha1.Hold{Source: "Suspend", Rule: "ServerGroup/" + group.Name, Reason: v1alpha1.ReasonRolloutPaused,
		Message: fmt.Sprintf("the rollout of ServerGroup %s is paused%s", group.Name, because(rollout.Reason)),
		Until:   rollout.PausedUntil, ClearsWhen: "somebody resumes it: stargate rollout resume " + group.Name}
}

// suspendedFleet gives what keeps every Operation of a fleet's rollouts from starting; nil for nothing.
func suspendedFleet(fleet *v1alpha1.Fleet, now time.Time) *v1alpha1.Hold {
	if fleet == nil || !fleet.Spec.Suspend || (fleet.Spec.SuspendUntil != nil && !fleet.Spec.SuspendUntil.After(now)) {
		return nil
	}
	return &v1alpha1.Hold{Source: "Suspend", Rule: "Fleet/" + fleet.Name, Reason: v1alpha1.ReasonFleetSuspended,
		Message: fmt.Sprintf("Fleet %s is suspended%s", fleet.Name, because(fleet.Spec.Reason)),
		Until:   fleet.Spec.SuspendUntil, ClearsWhen: "somebody resumes it: stargate fleet resume " + fleet.Name}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// begun tells whether an earlier attempt than the open one was more than an intent that was taken back.
func begun(status *v1alpha1.OperationStatus) bool {
	return slices.ContainsFunc(status.Attempts, func(a v1alpha1.Attempt) bool {
		return a.Outcome != "" && a.Outcome != v1alpha1.AttemptWithdrawn
	})
}

// void tells whether an Operation of which nothing has begun is not what should be done any more:
// the rollout that made it does not want it, or the machine or its profile is not what it was made for.
func void(s *Snapshot) (reason, message string) {
	if begun(&s.Operation.Status) {
		return "", ""
	}
	if s.Rollout != nil && s.Rollout.Reason != "" {
		return s.Rollout.Reason, s.Rollout.Message
	}
	expected := s.Operation.Spec.Expected
	if expected == nil || s.Server == nil {
		return "", ""
	}
	if s.Profile != nil && s.Profile.Hash != "" && expected.ProfileHash != "" && s.Profile.Hash != expected.ProfileHash {
		return v1alpha1.ReasonProfileChanged, fmt.Sprintf("ProvisioningProfile %s was edited since this Operation was made (spec.expected); nothing was done to the machine, and what to do is decided anew", s.Profile.Name)
	}
	return unexpectedServer(s, expected)
}

// unexpectedServer tells whether something was done to the machine since the Operation was made. The
// claim, a compare-and-swap on the Server, makes the answer exact.
func unexpectedServer(s *Snapshot, expected *v1alpha1.Expected) (reason, message string) {
	const anew = "(spec.expected); nothing was done to the machine, and what to do is decided anew"
	name, last, uid := s.Server.Name, s.Server.Status.LastOperation, ""
	if last != nil {
		uid = last.UID
	}
	applied := s.Server.Status.Applied
	switch {
	case uid == string(s.Operation.UID):
		return "", ""
	case uid != expected.LastOperation && last == nil:
		return v1alpha1.ReasonServerChanged, fmt.Sprintf("Server %s does not show the Operation that this one was made after %s", name, anew)
	case uid != expected.LastOperation:
		return v1alpha1.ReasonServerChanged, fmt.Sprintf("Operation %s ended on server %s since this one was made %s", last.Name, name, anew)
	case applied != nil && expected.ProfileHash != "" && applied.Hash == expected.ProfileHash:
		return v1alpha1.ReasonAdopted, fmt.Sprintf("Server %s already has what this Operation was made to put on it %s", name, anew)
	case applied != nil && last == nil && applied.At.After(s.Operation.CreationTimestamp.Time):
		return v1alpha1.ReasonAdopted, fmt.Sprintf("Server %s was adopted since this Operation was made %s", name, anew)
	}
	return "", ""
}

// AdoptionHold keeps what was made for a machine of which nothing is known off one that is about to be
// taken under care as it is.
func AdoptionHold(op *v1alpha1.Operation, server *v1alpha1.Server) *v1alpha1.Hold {
	if op.Spec.Expected == nil || server.Spec.Adopt == nil || server.Status.Applied != nil || server.Status.LastOperation != nil {
		return nil
	}
	return &v1alpha1.Hold{Source: "Server/" + server.Name, Reason: v1alpha1.ReasonAdopting,
		Message:    fmt.Sprintf("Server %s is to be adopted as it is, with the profile %s (spec.adopt), and was not yet", server.Name, server.Spec.Adopt.Profile),
		ClearsWhen: "it is adopted, or spec.adopt is taken away"}
}
