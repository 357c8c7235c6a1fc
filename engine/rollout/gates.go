package rollout

import (
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// askGates asks, in order, what would keep the whole group from starting anything: its profile, its
// fleet, the stamp of the commit, a pause. All that speak are heard.
func (p *plan) askGates() {
	if problem := p.s.Profile.Problem; problem != nil {
		p.stays, p.stranger = append(p.stays, *problem), true
	} else if p.s.Profile.Hash == "" {
		p.stays, p.stranger = append(p.stays, p.noProfile()), true
	}
	if p.managed() {
		p.askFleet()
		p.askStamp()
	}
	p.askPause()
}

// managed tells whether a fleet looks after the group. Where its fleet is gone, nobody puts anything
// back, and the group stands alone.
func (p *plan) managed() bool { return p.s.FleetName != "" && p.s.Fleet != nil }

func (p *plan) noProfile() v1alpha1.Hold {
	name := p.s.Group.Spec.ProvisioningProfileRef.Name
	return v1alpha1.Hold{
		Source: "ProvisioningProfile/" + name, Reason: v1alpha1.ReasonProfileNotFound,
		Message: fmt.Sprintf("no ProvisioningProfile %s in namespace %s", name, p.s.Group.Namespace), ClearsWhen: "it is created",
	}
}

// paused tells whether a switch with an end is on.
func (p *plan) paused(on bool, until *metav1.Time) bool {
	if !on {
		return false
	}
	if until == nil {
		return true
	}
	p.wake(until.Time)
	return until.After(p.s.Now)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func (p *plan) askPause() {
	r := p.rollout()
	if !p.paused(r.Paused, r.PausedUntil) {
		return
	}
	p.stays = append(p.stays, v1alpha1.Hold{
		Source: p.source(), Rule: "paused", Reason: v1alpha1.ReasonRolloutPaused, Until: r.PausedUntil,
		Message:    fmt.Sprintf("the rollout of ServerGroup %s is paused%s; what runs is seen out", p.s.Group.Name, because(r.Reason)),
		ClearsWhen: "spec.rollout.paused is false: stargate rollout resume " + p.s.Group.Name,
	})
}

func (p *plan) askFleet() {
	fleet := p.s.Fleet
	if p.paused(fleet.Spec.Suspend, fleet.Spec.SuspendUntil) {
		p.stays = append(p.stays, v1alpha1.Hold{
			Source: "Fleet/" + fleet.Name, Rule: "suspend", Reason: v1alpha1.ReasonFleetSuspended, Until: fleet.Spec.SuspendUntil,
			Message:    fmt.Sprintf("Fleet %s is suspended%s; what runs is seen out", fleet.Name, because(fleet.Spec.Reason)),
			ClearsWhen: "spec.suspend is false: stargate fleet resume " + fleet.Name,
		})
	}
}

// askStamp asks whether what the group says, and its profile, are what a whole commit said.
func (p *plan) askStamp() {
	fleet, applies := p.s.Fleet, p.s.Fleet.Status.Applies
	stamp, err := ParseRelease(p.s.Group.Annotations[v1alpha1.AnnotationReleased])
	switch {
	case fleet.Status.Applying != nil:
		p.incomplete(fmt.Sprintf("Fleet %s is being brought to %s; its rollouts start nothing before all of it is in", fleet.Name, fleet.Status.Applying.Revision), fleet.Status.Applying.Number)
	case err == nil && stamp.Apply > applies, p.s.Profile.Apply > applies:
		p.incomplete(fmt.Sprintf("ServerGroup %s or its profile is of a commit that is not in yet as a whole", p.s.Group.Name), max(stamp.Apply, p.s.Profile.Apply))
	case err != nil || stamp.Inputs != p.s.Profile.Inputs:
		p.stranger = true
		p.stays = append(p.stays, v1alpha1.Hold{
			Source: p.source(), Rule: "released", Reason: v1alpha1.ReasonEdited,
			Message: fmt.Sprintf("the selector or profile of ServerGroup %s is not what Fleet %s released; it is put back within the fleet's interval. To keep it, commit it", p.s.Group.Name, fleet.Name),

			ClearsWhen: fmt.Sprintf("Fleet/%s puts back what the commit says, or a commit says this", fleet.Name),
		})
	}
}

func (p *plan) incomplete(message string, apply int64) {
	p.stranger = true
	p.stays = append(p.stays, v1alpha1.Hold{
		Source: "Fleet/" + p.s.Fleet.Name, Rule: "whole-commit", Reason: v1alpha1.ReasonCommitIncomplete, Message: message,
		Observed: strconv.FormatInt(apply, 10), Limit: strconv.FormatInt(p.s.Fleet.Status.Applies, 10),
		ClearsWhen: "the whole commit is in",
	})
}

// relabelled tells whether somebody changed by hand a label that the commit gave a server of the fleet. It
// is put back; to be in another group meanwhile is no reason to wipe a machine.
func (p *plan) relabelled(server *v1alpha1.Server) bool {
	said := server.Annotations[v1alpha1.AnnotationLabels]
	if said == "" || !p.managed() || server.Labels[v1alpha1.LabelFleet] != p.s.FleetName {
		return false
	}
	for word := range strings.SplitSeq(said, ",") {
		key, value, _ := strings.Cut(word, "=")
		if has, there := server.Labels[key]; !there || has != value {
			return true
		}
	}
	return false
}

// unfinished tells whether a server was written by an apply that is not whole yet.
func (p *plan) unfinished(server *v1alpha1.Server) bool {
	if !p.managed() || server.Labels[v1alpha1.LabelFleet] != p.s.FleetName {
		return false
	}
	apply, err := strconv.ParseInt(server.Annotations[v1alpha1.AnnotationApply], 10, 64)
	return err == nil && apply > p.s.Fleet.Status.Applies
}
