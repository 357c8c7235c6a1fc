package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/follow"
	"stargate.io/stargate/cmd/stargate/render"
)

func (a *App) fleetReconcileCommand() *cobra.Command {
	var output string
	var wait waitOptions
	command := &cobra.Command{
		Use:   "reconcile NAME",
		Short: "Look at the repository now, and put back what differs",
		Long: `Look at the repository now, and put back what differs from the commit. With --wait
it ends when the commit that is found there is applied (0), refused or cannot be
fetched (1), or held by the guard (3). Its rollouts go on after that; follow them
with: stargate rollout status --fleet NAME --watch`,
		Example:           a.text("  stargate fleet reconcile prod --wait --timeout 2m"),
		ValidArgsFunction: a.completeNames(fleetKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneNamed(args, fleetKind())
			if err == nil {
				err = checkOutput(output, actFormats...)
			}
			if err == nil {
				err = wait.check()
			}
			if err != nil {
				return err
			}
			return a.reconcile(cmd.Context(), name, output, wait)
		},
	}
	a.outputFlag(command, &output, actFormats...)
	wait.bind(command.Flags())
	return command
}

func (a *App) reconcile(ctx context.Context, name, output string, wait waitOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	asked := a.now().UTC().Format(time.RFC3339Nano)
	object, err := cluster.steer(ctx, fleetKind(), name, func(o client.Object) (fields, error) {
		if fleet := asFleet(o); fleet.Spec.Suspend {
			return nil, failf("Fleet %s is %s: nothing is fetched; first: %s fleet resume %s --reason …", name, render.Clean(suspension(fleet)), a.name, name)
		}
		return fields{"metadata": fields{"annotations": fields{v1alpha1.AnnotationRequestedAt: asked}}}, nil
	})
	if err != nil {
		return err
	}
	if !wait.wait {
		return a.steered(output, fleetKind(), object, "is asked to look at its repository")
	}
	return a.reconciled(ctx, cluster, asFleet(object), asked, output, wait)
}

// reconciled follows a fleet until it has acted on the request, and says what came of it.
func (a *App) reconciled(ctx context.Context, c *cluster, fleet *v1alpha1.Fleet, asked, output string, wait waitOptions) error {
	name := fleet.Name
	bounded, cancel := wait.bound(ctx)
	defer cancel()
	last, code := "", exitTimedOut
	selection := follow.Selection{List: &v1alpha1.FleetList{}, Object: &v1alpha1.Fleet{}, Name: name}
	err := a.follow(bounded, c, []follow.Selection{selection}, func(l *live) (bool, error) {
		found := l.all(0)
		if len(found) == 0 {
			return true, failf("Fleet %s was deleted", name)
		}
		fleet = asFleet(found[0])
		if text := fleetProgress(fleet); text != last {
			last = text
			a.note("%s", render.Clean(text))
		}
		ended := false
		code, ended = outcomeOf(fleet, asked)
		return ended, nil
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		a.note("After %s Fleet %s has not applied what it found. It goes on by itself", wait.timeout, name)
		return exitWith(exitTimedOut)
	case err != nil && !errors.Is(err, context.Canceled):
		return err
	case err != nil:
		return exitWith(exitFailed)
	}
	a.tellReconciled(fleet, code)
	if code != exitFine && !structured(output) {
		return exitWith(code)
	}
	if err := a.steered(output, fleetKind(), fleet, "applied "+shortRevision(fleet.Status.LastAppliedRevision)); err != nil {
		return err
	}
	return exitWith(code)
}

// outcomeOf tells how a request to look ended, if it has.
func outcomeOf(fleet *v1alpha1.Fleet, asked string) (code int, ended bool) {
	status := &fleet.Status
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	switch {
	case status.LastHandledRequestedAt != asked, status.Applying != nil, ready == nil, status.ObservedGeneration < fleet.Generation:
		return exitTimedOut, false
	case status.Pending != nil:
		return exitHeld, pendingNow(fleet)
	case len(status.Errors) > 0, couldNot(ready.Reason):
		return exitFailed, true
	}
	return exitFine, status.LastAttemptedRevision != "" && status.LastAttemptedRevision == status.LastAppliedRevision
}

// couldNot tells whether a reason says that the repository could not be fetched or applied.
func couldNot(reason string) bool {
	switch reason {
	case v1alpha1.ReasonFetchFailed, v1alpha1.ReasonAuthenticationFailed, v1alpha1.ReasonRefNotFound, v1alpha1.ReasonSourceRefused,
		v1alpha1.ReasonSignatureInvalid, v1alpha1.ReasonCommitInvalid, v1alpha1.ReasonApplyFailed, v1alpha1.ReasonSpecInvalid,
		v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretInvalid:
		return true
	}
	return false
}

// fleetProgress is where a fleet stands, in one line.
func fleetProgress(fleet *v1alpha1.Fleet) string {
	ready := meta.FindStatusCondition(fleet.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return "no controller has looked at it yet"
	}
	word := ready.Reason
	if ready.Status == metav1.ConditionTrue {
		word = "Ready"
	}
	return fmt.Sprintf("%s: %s", word, ready.Message)
}

// tellReconciled says, on stderr, why the commit is not applied, and what to do.
func (a *App) tellReconciled(fleet *v1alpha1.Fleet, code int) {
	switch {
	case code == exitHeld:
		a.showPending(fleet)
		a.note("  To let it pass: %s approve fleet %s --commit %s --reason …", a.name, fleet.Name, shortCommit(fleet.Status.Pending.Commit))
	case len(fleet.Status.Errors) > 0:
		a.note("%s is refused, and nothing was changed:", shortRevision(fleet.Status.LastAttemptedRevision))
		for _, each := range fleet.Status.Errors {
			a.note("  %s", errorLine(each))
		}
	}
}
