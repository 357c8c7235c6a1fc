package cli

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

func (a *App) cancelCommand() *cobra.Command {
	var reason, output string
	var wait waitOptions
	command := &cobra.Command{
		Use:   "cancel operation NAME",
		Short: "End an Operation: at once where it waits, else by ending its job",
		Long: `End an Operation. One that waits, also one that is held, ends at once. One whose
job runs ends when the site has ended the job; where the site cannot end jobs,
it is seen out. A cancellation cannot be taken back.`,
		Example:           a.text("  stargate cancel operation repave-server-001-x7k2p -n dc-west --reason \"wrong rack\" --wait"),
		ValidArgsFunction: a.completeTarget(operationKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneTarget(args, reason, output, operationKind())
			if err == nil {
				err = wait.check()
			}
			if err != nil {
				return err
			}
			return a.cancel(cmd.Context(), name.names[0], reason, output, wait)
		},
	}
	bindReason(command, &reason)
	a.outputFlag(command, &output, actFormats...)
	wait.bind(command.Flags())
	return command
}

// oneTarget checks what all commands that steer have in common.
func oneTarget(args []string, reason, output string, allowed ...kind) (target, error) {
	found, err := parseTarget(args, allowed...)
	if err != nil {
		return target{}, err
	}
	if _, err := found.oneName(); err != nil {
		return target{}, err
	}
	if err := checkOutput(output, actFormats...); err != nil {
		return target{}, err
	}
	return found, checkReason(reason)
}

func (a *App) cancel(ctx context.Context, name, reason, output string, wait waitOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	done := "is being cancelled"
	object, err := cluster.steer(ctx, operationKind(), name, func(o client.Object) (fields, error) {
		op := asOperation(o)
		switch {
		case op.Status.Phase == v1alpha1.OperationCancelled:
			done = "was cancelled before"
			return nil, nil
		case op.Status.Phase.Terminal():
			return nil, failf("Operation %s has ended already: %s. There is nothing left to cancel", name, op.Status.Phase)
		case op.Spec.Cancel:
			done = "is being cancelled since before"
			return nil, nil
		}
		return fields{
			"metadata": fields{"annotations": fields{v1alpha1.AnnotationCancelReason: reason}},
			"spec":     fields{"cancel": true},
		}, nil
	})
	if err != nil {
		return err
	}
	if !wait.wait {
		return a.steered(output, operationKind(), object, done)
	}
	return a.cancelled(ctx, cluster, asOperation(object), output, wait)
}

// cancelled waits for the end. Being cancelled is what was asked for, and so is fine; a job that was
// quicker is not.
func (a *App) cancelled(ctx context.Context, c *cluster, op *v1alpha1.Operation, output string, wait waitOptions) error {
	ended, _, err := a.awaitQuietly(ctx, c, op, wait)
	if err != nil {
		return err
	}
	code := exitFine
	switch {
	case ended == nil:
		a.note("Operation %s was deleted", op.Name)
		return nil
	case !ended.Status.Phase.Terminal():
		code = exitTimedOut
		a.note("Operation %s has not ended after %s; the site has been asked to end its job", op.Name, wait.timeout)
	case ended.Status.Phase != v1alpha1.OperationCancelled:
		code = exitFailed
		a.note("Operation %s ended %s before it could be cancelled", op.Name, ended.Status.Phase)
	}
	if err := a.steered(output, operationKind(), ended, "is "+phaseWord(ended)); err != nil {
		return err
	}
	return exitWith(code)
}
