package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// tally is where a datacenter stands.
type tally struct {
	name                         string
	total, done, running, failed int
	progress                     float64 // of the whole, 0 to 1
}

// watch shows the Operations until all of them ended.
func (d *demo) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the servers are not done after %s", patience))
	defer cancel()
	d.told("rollout", "6 s a server")
	defer d.screen.keep()
	told := map[string]int{} // attempts that were told of, by Operation
	for {
		tallies, err := d.look(ctx, told)
		if err != nil {
			return err
		}
		d.screen.draw(tallies)
		if done, err := verdictOf(tallies); done || err != nil {
			return err
		}
		if err := d.crew.trouble(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// verdictOf tells whether there is nothing more to come.
func verdictOf(tallies []tally) (bool, error) {
	ended, failed := true, 0
	for _, t := range tallies {
		ended = ended && t.done+t.failed == t.total
		failed += t.failed
	}
	if ended && failed > 0 {
		return true, fmt.Errorf("%d Operations did not succeed", failed)
	}
	return ended, nil
}

// look counts the Operations of each datacenter, and tells of attempts that failed.
func (d *demo) look(ctx context.Context, told map[string]int) ([]tally, error) {
	var tallies []tally
	for _, plan := range plans {
		var list v1alpha1.OperationList
		if err := d.cluster.List(ctx, &list, client.InNamespace(plan.name)); err != nil {
			return nil, errors.Join(fmt.Errorf("listing Operations: %w", err), d.crew.trouble())
		}
		t := tally{name: plan.name, total: len(list.Items)}
		for i := range list.Items {
			t.add(&list.Items[i])
			d.tell(&list.Items[i], told)
		}
		tallies = append(tallies, t)
	}
	return tallies, nil
}

func (t *tally) add(op *v1alpha1.Operation) {
	switch {
	case op.Status.Phase == v1alpha1.OperationSucceeded:
		t.done++
		t.progress += 1 / float64(t.total)
	case op.Status.Phase.Terminal():
		t.failed++
	case op.Status.Phase == v1alpha1.OperationRunning:
		t.running++
		t.progress += float64(op.Status.Progress) / 100 / float64(t.total)
	}
}

// tell says once of each attempt that it failed, and what came of the next.
func (d *demo) tell(op *v1alpha1.Operation, told map[string]int) {
	key := op.Namespace + "/" + op.Name
	for i := told[key]; i < len(op.Status.Attempts); i++ {
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
		told[key] = i + 1
	}
}
