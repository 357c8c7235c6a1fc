package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// rolloutReport is what `stargate rollout status -o json` prints.
type rolloutReport struct {
	render.Header
	// Fleet that was asked for, where one was.
	Fleet  string         `json:"fleet,omitempty"`
	Groups []groupRollout `json:"groups"`
	// of is that fleet, where it is watched.
	of *v1alpha1.Fleet
}

// groupRollout is where one group stands.
type groupRollout struct {
	Namespace   string                `json:"namespace"`
	Name        string                `json:"name"`
	Fleet       string                `json:"fleet,omitempty"`
	State       rolloutState          `json:"state"`
	Message     string                `json:"message,omitempty"`
	Revision    string                `json:"revision,omitempty"`
	Profile     string                `json:"profile,omitempty"`
	OSVersion   string                `json:"osVersion,omitempty"`
	Commit      string                `json:"commit,omitempty"`
	Author      string                `json:"author,omitempty"`
	SignedBy    string                `json:"signedBy,omitempty"`
	ApprovedBy  string                `json:"approvedBy,omitempty"`
	StartedAt   *metav1.Time          `json:"startedAt,omitempty"`
	CompletedAt *metav1.Time          `json:"completedAt,omitempty"`
	LikelyDone  *metav1.Time          `json:"likelyDone,omitempty"`
	Servers     int32                 `json:"servers"`
	Updated     int32                 `json:"updated"`
	Ready       int32                 `json:"ready"`
	Unavailable int32                 `json:"unavailable"`
	Active      int32                 `json:"active"`
	Failed      int32                 `json:"failed"`
	Drifted     int32                 `json:"drifted"`
	Skipped     int32                 `json:"skipped"`
	Wave        string                `json:"wave,omitempty"`
	Waves       []v1alpha1.WaveStatus `json:"waves"`
	InFlight    []flight              `json:"inFlight"`
	Held        []v1alpha1.Hold       `json:"held"`
	Left        []v1alpha1.LeftServer `json:"left"`
	Approvals   []approvalWanted      `json:"approvals"`
	group       *v1alpha1.ServerGroup
	soaks       map[string]metav1.Duration
}

// flight is a server that a rollout has taken.
type flight struct {
	Server    string      `json:"server"`
	Operation string      `json:"operation"`
	Since     metav1.Time `json:"since,omitzero"`
	// Phase, Progress and Message of the Operation, where it was looked at.
	Phase    v1alpha1.OperationPhase `json:"phase,omitempty"`
	Progress string                  `json:"progress,omitempty"`
	held     bool
	percent  int32
	bar      bool
}

// approvalWanted is something that waits for a person's word.
type approvalWanted struct {
	Wave    string `json:"wave,omitempty"`
	Value   string `json:"value"`
	Message string `json:"message"`
}

// reportOf makes a report of a group, with the Operations that were looked at.
func reportOf(group *v1alpha1.ServerGroup, operations map[string]*v1alpha1.Operation, now time.Time) groupRollout {
	status, revision := &group.Status, &group.Status.Revision
	state := stateOf(group)
	report := groupRollout{
		Namespace: group.Namespace, Name: group.Name, Fleet: group.Labels[v1alpha1.LabelFleet],
		State: state, Message: render.Clean(groupMessage(group)), Revision: revision.Name,
		Profile: render.Or(revision.Profile, group.Spec.ProvisioningProfileRef.Name), OSVersion: revision.OSVersion,
		Commit: revision.Commit, Author: revision.Author, SignedBy: revision.SignedBy, ApprovedBy: revision.ApprovedBy,
		StartedAt: revision.StartedAt, CompletedAt: revision.CompletedAt,
		Servers: status.Servers, Updated: status.Updated, Ready: status.Ready, Unavailable: status.Unavailable,
		Active: status.Active, Failed: status.Failed, Drifted: status.Drifted, Skipped: status.Skipped,
		Wave: status.Wave, Waves: slices.Concat([]v1alpha1.WaveStatus{}, status.Waves),
		InFlight: []flight{}, Held: slices.Concat([]v1alpha1.Hold{}, status.Holds),
		Left: slices.Concat([]v1alpha1.LeftServer{}, status.Left), Approvals: []approvalWanted{}, group: group,
		soaks: map[string]metav1.Duration{},
	}
	if at := estimate(group, state, now); !at.IsZero() {
		report.LikelyDone = &metav1.Time{Time: at.Truncate(time.Second)}
	}
	for _, wave := range group.Spec.Rollout.Waves {
		if wave.Soak != nil {
			report.soaks[wave.Name] = *wave.Soak
		}
	}
	for _, slot := range status.InFlight {
		report.InFlight = append(report.InFlight, flightOf(slot, operations[slot.Operation]))
	}
	for _, each := range approvalsOf(group) {
		if state == rolloutAwaits {
			report.Approvals = append(report.Approvals, approvalWanted{each.wave, each.value, render.Clean(each.hold.Message)})
		}
	}
	return report
}

func flightOf(slot v1alpha1.InFlightServer, op *v1alpha1.Operation) flight {
	f := flight{Server: slot.Server, Operation: slot.Operation, Since: slot.Since}
	if op == nil {
		return f
	}
	progress := progressOf(op)
	f.Phase, f.Progress = op.Status.Phase, strings.TrimSpace(progress.text)
	f.held, f.percent, f.bar = heldNow(op), op.Status.Progress, progress.bar
	return f
}

// operations reads those that a group's rollout has under way, as many as a screen bears and as room
// says: a rollout of thousands is not asked about server by server.
func (c *cluster) operations(ctx context.Context, group *v1alpha1.ServerGroup, room int) map[string]*v1alpha1.Operation {
	found := map[string]*v1alpha1.Operation{}
	for _, slot := range group.Status.InFlight[:max(0, min(len(group.Status.InFlight), listed, room))] {
		op := &v1alpha1.Operation{}
		// One that cannot be read is shown by its name alone.
		if err := c.Get(ctx, types.NamespacedName{Namespace: group.Namespace, Name: slot.Operation}, op); err == nil {
			found[slot.Operation] = op
		}
	}
	return found
}

// code is what a rollout that ended so ends a command with.
func (g *groupRollout) code() int { return codeOfRollout(g.State, g.Failed) }

// ended tells whether every group has, and no commit is on its way to them.
func (r *rolloutReport) ended() bool {
	if r.of != nil && onItsWay(r.of) {
		return false
	}
	return !slices.ContainsFunc(r.Groups, func(g groupRollout) bool { return !g.State.ended() })
}

// code is the worst of the groups', and of the fleet's.
func (r *rolloutReport) code() int {
	code := exitFine
	for i := range r.Groups {
		code = worst(code, r.Groups[i].code())
	}
	switch {
	case r.of == nil:
	case len(r.of.Status.Errors) > 0:
		code = worst(code, exitFailed)
	case pendingNow(r.of), r.of.Spec.Suspend:
		code = worst(code, exitHeld)
	}
	return code
}
