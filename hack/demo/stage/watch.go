package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// tally is where a group stands.
type tally struct {
	name                         string
	wave                         string
	total, done, running, failed int
	progress                     float64 // of the whole, 0 to 1
}

// watch shows the groups until the fleet is what the commit says.
func (d *demo) watch(ctx context.Context, commit string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the servers are not done after %s", patience))
	defer cancel()
	defer d.screen.keep()
	for {
		fleet, err := d.look(ctx)
		if err != nil {
			return err
		}
		if pending := fleet.Status.Pending; pending != nil && pending.Commit == commit && d.approvedCommit != commit {
			return fmt.Errorf("the guard holds the commit: %s", pending.Message)
		}
		applied := strings.HasSuffix(fleet.Status.LastAppliedRevision, commit)
		if applied {
			if err := d.show(ctx); err != nil {
				return err
			}
		}
		if applied && meta.IsStatusConditionTrue(fleet.Status.Conditions, v1alpha1.ConditionReady) {
			return nil
		}
		if err := d.pause(ctx); err != nil {
			return err
		}
	}
}

// show draws the groups, tells of attempts that failed, and lets begin the waves that wait for a person.
func (d *demo) show(ctx context.Context) error {
	var tallies []tally
	for _, plan := range plans {
		var groups v1alpha1.ServerGroupList
		var operations v1alpha1.OperationList
		if err := errors.Join(d.cluster.List(ctx, &groups, client.InNamespace(plan.name)), d.cluster.List(ctx, &operations, client.InNamespace(plan.name))); err != nil {
			return errors.Join(fmt.Errorf("listing groups and Operations: %w", err), d.crew.trouble())
		}
		percent := map[string]float64{}
		for i := range operations.Items {
			op := &operations.Items[i]
			percent[op.Name] = float64(op.Status.Progress) / 100
			d.tell(op)
		}
		for i := range groups.Items {
			tallies = append(tallies, tallyOf(&groups.Items[i], percent))
			if err := d.letBegin(ctx, &groups.Items[i]); err != nil {
				return err
			}
		}
	}
	d.screen.draw(tallies)
	for _, t := range tallies {
		if t.failed > 0 {
			return fmt.Errorf("%d servers of %s failed", t.failed, t.name)
		}
	}
	return nil
}

func tallyOf(group *v1alpha1.ServerGroup, percent map[string]float64) tally {
	status := &group.Status
	t := tally{name: group.Namespace + "/" + group.Name, wave: status.Wave, total: int(status.Servers), done: int(status.Updated), running: len(status.InFlight), failed: int(status.Failed)}
	if t.total == 0 {
		return t
	}
	t.progress = float64(t.done)
	for i := range status.InFlight {
		t.progress += percent[status.InFlight[i].Operation]
	}
	t.progress /= float64(t.total)
	return t
}

// letBegin approves a wave that waits for it.
func (d *demo) letBegin(ctx context.Context, group *v1alpha1.ServerGroup) error {
	at := slices.IndexFunc(group.Status.Waves, func(w v1alpha1.WaveStatus) bool { return w.State == v1alpha1.WaveAwaitingApproval })
	if at < 0 {
		return nil
	}
	wave := group.Status.Waves[at].Name
	key := group.Status.Revision.Name + " " + group.Namespace + "/" + group.Name + "/" + wave
	if d.approved[key] {
		return nil
	}
	d.approved[key] = true
	return d.asPerson(ctx, "rollout", "approve", group.Name, "-n", group.Namespace, "--wave", wave, "--reason", "the first looks fine", "-y")
}

// tell says once of each attempt that it failed, and what came of the next.
func (d *demo) tell(op *v1alpha1.Operation) {
	key := op.Namespace + "/" + op.Name
	for i := d.attempts[key]; i < len(op.Status.Attempts); i++ {
		attempt := op.Status.Attempts[i]
		switch {
		case attempt.Outcome == "":
			return
		case attempt.Outcome == v1alpha1.AttemptSucceeded && i > 0:
			d.screen.note("retried %s/%s: ok at attempt %d", op.Namespace, op.Spec.ServerRef.Name, attempt.Number)
		case attempt.Outcome != v1alpha1.AttemptSucceeded:
			meant := ""
			if op.Namespace == west && op.Spec.ServerRef.Name == unlucky {
				meant = " (on purpose)"
			}
			d.screen.note("failed  %s/%s: %s%s", op.Namespace, op.Spec.ServerRef.Name, attempt.Error, meant)
		}
		d.attempts[key] = i + 1
	}
}
