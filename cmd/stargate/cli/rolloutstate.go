package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// rolloutState is where a rollout stands, for whoever waits for it.
type rolloutState string

const (
	// rolloutUnknown: no controller has looked at the group as it is now.
	rolloutUnknown rolloutState = "Unknown"
	rolloutDone    rolloutState = "UpToDate"
	rolloutRunning rolloutState = "RollingOut"
	// rolloutHeld: something that ends by itself holds it: a clock, an Operation, a server.
	rolloutHeld rolloutState = "Held"
	// rolloutAwaits: nothing runs, and nothing goes on before a person says so.
	rolloutAwaits rolloutState = "AwaitingPerson"
	// rolloutStopped: nothing runs, and something must be mended first.
	rolloutStopped rolloutState = "Stopped"
)

// ended tells whether there is nothing more to come by itself.
func (s rolloutState) ended() bool {
	return s == rolloutDone || s == rolloutAwaits || s == rolloutStopped
}

func asGroup(object client.Object) *v1alpha1.ServerGroup {
	group, ok := object.(*v1alpha1.ServerGroup)
	if !ok {
		return &v1alpha1.ServerGroup{}
	}
	return group
}

func asFleet(object client.Object) *v1alpha1.Fleet {
	fleet, ok := object.(*v1alpha1.Fleet)
	if !ok {
		return &v1alpha1.Fleet{}
	}
	return fleet
}

// stateOf tells where the rollout of a group stands.
func stateOf(group *v1alpha1.ServerGroup) rolloutState {
	status := &group.Status
	idle := status.Active == 0 && len(status.InFlight) == 0
	switch {
	case status.ObservedGeneration < group.Generation, len(status.Conditions) == 0:
		return rolloutUnknown
	case meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady):
		if !stampSeen(group) {
			return rolloutUnknown
		}
		return rolloutDone
	case meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled) && idle:
		return stoppedOrAwaits(group)
	case idle && slices.ContainsFunc(status.Holds, func(h v1alpha1.Hold) bool { return awaitsPerson(group, h) }):
		return rolloutAwaits
	case idle && len(status.Holds) > 0:
		return rolloutHeld
	}
	return rolloutRunning
}

// stampSeen tells whether the status speaks of the commit that last changed what the group's servers
// should have.
func stampSeen(group *v1alpha1.ServerGroup) bool {
	apply, _, stamped := strings.Cut(group.Annotations[v1alpha1.AnnotationReleased], " ")
	number, err := strconv.ParseInt(apply, 10, 64)
	return !stamped || err != nil || group.Status.Revision.Apply >= number
}

// stoppedOrAwaits: a group that says Stalled because a person must let it go on has not failed.
func stoppedOrAwaits(group *v1alpha1.ServerGroup) rolloutState {
	stalled := meta.FindStatusCondition(group.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled.Reason == v1alpha1.ReasonTooManyFailures && resumed(group) {
		return rolloutRunning
	}
	for _, hold := range group.Status.Holds {
		if hold.Reason == stalled.Reason && awaitsPerson(group, hold) {
			return rolloutAwaits
		}
	}
	return rolloutStopped
}

// awaitsPerson tells whether a hold stays until a person says otherwise. What somebody said already,
// and no controller has seen yet, is not waited for.
func awaitsPerson(group *v1alpha1.ServerGroup, hold v1alpha1.Hold) bool {
	switch hold.Reason {
	case v1alpha1.ReasonApprovalRequired:
		said := group.Annotations[v1alpha1.AnnotationApprove]
		return !slices.ContainsFunc(approvalsOf(group), func(a approval) bool { return a.value == said })
	case v1alpha1.ReasonRolloutPaused, v1alpha1.ReasonFleetSuspended:
		return hold.Until == nil
	}
	return false
}

// approval is something of a group that waits for a person's word.
type approval struct {
	// wave that waits; empty for the guard.
	wave string
	// value of the annotation stargate.io/approve that lets it go.
	value string
	// hold in the controller's words.
	hold v1alpha1.Hold
}

// guardSource is the source of what the guard holds.
const guardSource = "Guard"

// approvalsOf are what waits, the guard first: without it a wave cannot begin either.
func approvalsOf(group *v1alpha1.ServerGroup) []approval {
	var waiting []approval
	for _, hold := range group.Status.Holds {
		kind, _, _ := strings.Cut(hold.Source, "/")
		if kind != guardSource || hold.Reason != v1alpha1.ReasonApprovalRequired {
			continue
		}
		waiting = append(waiting, approval{value: rollout.ApproveToken(&group.Status), hold: hold})
		break
	}
	for _, wave := range group.Status.Waves {
		if wave.State == v1alpha1.WaveAwaitingApproval {
			waiting = append(waiting, approval{wave: wave.Name, value: rollout.WaveToken(&group.Status, wave.Name), hold: waveHold(group, wave.Name)})
		}
	}
	return waiting
}

// waveHold is what the controller says of a wave that waits.
func waveHold(group *v1alpha1.ServerGroup, wave string) v1alpha1.Hold {
	for _, hold := range group.Status.Holds {
		if hold.Source == "Wave/"+wave {
			return hold
		}
	}
	return v1alpha1.Hold{Source: "Wave/" + wave, Reason: v1alpha1.ReasonApprovalRequired, Message: "wave " + wave + " waits for an approval"}
}

// resumed tells whether somebody said already that the rollout is to go on.
func resumed(group *v1alpha1.ServerGroup) bool {
	return group.Annotations[v1alpha1.AnnotationResume] == rollout.ResumeToken(&group.Status)
}

// codeOfRollout is what a rollout that ended so ends a command with.
func codeOfRollout(state rolloutState, failed int32) int {
	switch {
	case state == rolloutDone && failed == 0:
		return exitFine
	case state == rolloutAwaits:
		return exitHeld
	case state == rolloutDone, state == rolloutStopped:
		return exitFailed
	}
	return exitTimedOut
}

// message is what a group says of itself.
func groupMessage(group *v1alpha1.ServerGroup) string {
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady, v1alpha1.ConditionReconciling} {
		condition := meta.FindStatusCondition(group.Status.Conditions, kind)
		if condition != nil && condition.Message != "" && (kind != v1alpha1.ConditionStalled || condition.Status == metav1.ConditionTrue) {
			return condition.Message
		}
	}
	return ""
}

// estimate of a rollout's end, from the pace so far: the servers that are left at the rate of those
// that are done, and the soaks to come. Zero where nothing can be said: nothing is done yet, something
// without an end in sight holds it, or a wave to come needs an approval.
func estimate(group *v1alpha1.ServerGroup, state rolloutState, now time.Time) time.Time {
	status := &group.Status
	done := int64(status.Revision.Made) - int64(len(status.InFlight)) - int64(status.Revision.Failures)
	left := int64(0)
	var soaks, spent time.Duration
	for _, wave := range status.Waves {
		left += int64(max(0, wave.Servers-wave.Updated-wave.Failed-wave.Skipped))
		if wave.StartedAt != nil {
			spent += endOfWave(wave, now).Sub(wave.StartedAt.Time)
		}
		soak, known := soakAhead(group, wave, now)
		if !known {
			return time.Time{}
		}
		soaks += soak
	}
	if state != rolloutRunning || done <= 0 || spent <= 0 {
		return time.Time{}
	}
	return now.Add(spent/time.Duration(done)*time.Duration(left) + soaks)
}

// soakAhead is how long a wave will soak from now on; not known where a person comes first.
func soakAhead(group *v1alpha1.ServerGroup, wave v1alpha1.WaveStatus, now time.Time) (time.Duration, bool) {
	switch wave.State {
	case v1alpha1.WaveAwaitingApproval, v1alpha1.WaveStopped:
		return 0, false
	case v1alpha1.WaveDone:
		return 0, true
	case v1alpha1.WaveSoaking:
		if wave.SoakedUntil == nil {
			return 0, true
		}
		return max(0, wave.SoakedUntil.Sub(now)), true
	case v1alpha1.WaveWaiting, v1alpha1.WaveRunning:
	}
	spec := waveSpec(group, wave.Name)
	if spec.Approval == v1alpha1.ApprovalRequired && wave.State == v1alpha1.WaveWaiting && wave.ApprovedAt == nil {
		return 0, false
	}
	if spec.Soak == nil {
		return 0, true
	}
	return spec.Soak.Duration, true
}

func endOfWave(wave v1alpha1.WaveStatus, now time.Time) time.Time {
	if wave.UpdatedAt != nil && wave.State != v1alpha1.WaveRunning {
		return wave.UpdatedAt.Time
	}
	return now
}

// waveSpec finds what a wave of the status is by the spec. The last one, of what no wave takes, has
// none.
func waveSpec(group *v1alpha1.ServerGroup, name string) v1alpha1.Wave {
	for _, wave := range group.Spec.Rollout.Waves {
		if wave.Name == name {
			return wave
		}
	}
	return v1alpha1.Wave{Name: name}
}

// byPlace orders objects by namespace and name.
func byPlace[T client.Object](a, b T) int {
	return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
}
