package stage

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// What somebody does by hand, what it is done to, and the policy of fleet-example that holds it.
const (
	precious    = "gpu-001"
	rebootName  = "reboot-" + precious
	twoPeople   = "two-people-for-gpu"
	asks        = "bob"
	agrees      = "ann"
	mastersRole = "system:masters"
)

// hold shows what a policy holds, why, and how it goes on: somebody reboots a GPU server by hand, and a second person
// must agree.
func (d *demo) hold(ctx context.Context) error {
	d.told("policy", "%s is rebooted by hand; of a GPU server a second person must agree (policies/%s.yaml)", precious, twoPeople)
	if err := d.asPerson(ctx, "reboot", precious, "-n", west, "--name", rebootName, "--reason", "fan replaced", "--as", asks, "--as-group", mastersRole, "-y"); err != nil {
		return err
	}
	if err := d.untilOperation(ctx, "is not held by a policy", heldByPolicy); err != nil {
		return err
	}
	if err := d.explain(ctx); err != nil {
		return err
	}
	if err := d.asPerson(ctx, "approve", "operation", rebootName, "-n", west, "--reason", "nobody trains on it", "--as", agrees, "--as-group", mastersRole, "-y"); err != nil {
		return err
	}
	if err := d.untilOperation(ctx, "does not go on although it was approved", succeeded); err != nil {
		return err
	}
	d.screen.note("done    %s/%s: rebooted, asked for by %s and approved by %s", west, precious, asks, agrees)
	return nil
}

// explain asks the command line why the reboot does not go on, and shows its answer.
func (d *demo) explain(ctx context.Context) error {
	args := []string{"explain", "operation", rebootName, "-n", west}
	d.screen.note("$ stargate %s", strings.Join(args, " "))
	answer, err := exec.CommandContext(ctx, filepath.Join("bin", "stargate"), append(d.cluster.flags(), args...)...).Output()
	var ended *exec.ExitError
	// 3 says that it is held.
	if !errors.As(err, &ended) || ended.ExitCode() != 3 || !strings.Contains(string(answer), twoPeople) {
		return fmt.Errorf("stargate explain does not say that %s holds %s: %w\n%s", twoPeople, rebootName, err, answer)
	}
	for line := range strings.Lines(string(answer)) {
		d.screen.note("  %s", strings.TrimRight(line, "\n"))
	}
	return nil
}

// untilOperation waits until the reboot is as it should be; otherwise says what it did not do.
func (d *demo) untilOperation(ctx context.Context, otherwise string, is func(*v1alpha1.Operation) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("Operation %s %s", rebootName, otherwise)) //nolint:staticcheck // a kind's name
	defer cancel()
	for {
		var op v1alpha1.Operation
		if err := d.cluster.Get(ctx, client.ObjectKey{Namespace: west, Name: rebootName}, &op); err != nil {
			return errors.Join(fmt.Errorf("looking at Operation %s: %w", rebootName, err), d.crew.trouble())
		}
		if done, err := is(&op); done || err != nil {
			return err
		}
		if err := d.pause(ctx); err != nil {
			return err
		}
	}
}

func heldByPolicy(op *v1alpha1.Operation) (bool, error) {
	if op.Status.Phase.Terminal() || len(op.Status.Attempts) > 0 {
		return false, fmt.Errorf("policy %s does not hold %s: it is %s", twoPeople, rebootName, op.Status.Phase)
	}
	for i := range op.Status.Holds {
		if op.Status.Holds[i].Source == "Policy/"+twoPeople {
			return true, nil
		}
	}
	return false, nil
}

func succeeded(op *v1alpha1.Operation) (bool, error) {
	if op.Status.Phase.Terminal() && op.Status.Phase != v1alpha1.OperationSucceeded {
		return false, fmt.Errorf("%s ended %s: %s", rebootName, op.Status.Phase, op.Status.Message)
	}
	return op.Status.Phase == v1alpha1.OperationSucceeded, nil
}
