package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/rollout"
)

// bindUntil adds --until, with which a pause ends by itself: what is paused at night and forgotten in
// the morning is the commonest reason why something waits.
func bindUntil(command *cobra.Command, until *string) {
	command.Flags().StringVar(until, "until", "", `When it resumes by itself: 2h, 22:00, "2026-05-01 06:00" or RFC 3339. Default: when somebody resumes it`)
}

// oneNamed checks the name of one object of a known kind, given as NAME, KIND NAME or KIND/NAME.
func oneNamed(args []string, k kind) (string, error) {
	if len(args) == 1 && !slices.ContainsFunc([]byte(args[0]), func(b byte) bool { return b == '/' }) {
		return args[0], nil
	}
	found, err := parseTarget(args, k)
	if err != nil {
		return "", usagef("expected the name of one %s", k.singular)
	}
	return found.oneName()
}

func (a *App) rolloutPauseCommand() *cobra.Command {
	var reason, until, output string
	command := &cobra.Command{
		Use:   "pause GROUP",
		Short: "Let a group's rollout start nothing",
		Long: `Let a group's rollout start nothing. What runs is seen out; Operations that were
made and wait are held. With --until it goes on by itself.`,
		Example:           a.text("  stargate rollout pause web -n dc-west --reason \"INC-512, wait for the database\" --until 22:00"),
		ValidArgsFunction: a.completeNames(groupKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneSteered(args, groupKind(), reason, output)
			if err != nil {
				return err
			}
			at, err := parseUntil(until, a.now())
			if err != nil {
				return err
			}
			return a.pauseGroup(cmd.Context(), name, reason, at, output)
		},
	}
	bindReason(command, &reason)
	bindUntil(command, &until)
	a.outputFlag(command, &output, actFormats...)
	return command
}

// oneSteered checks what commands that steer one object of a known kind have in common.
func oneSteered(args []string, k kind, reason, output string) (string, error) {
	name, err := oneNamed(args, k)
	if err != nil {
		return "", err
	}
	if err := checkOutput(output, actFormats...); err != nil {
		return "", err
	}
	return name, checkReason(reason)
}

func (a *App) pauseGroup(ctx context.Context, name, reason string, until *time.Time, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	a.tellSource(ctx, cluster, name, "f:spec", "f:rollout", "f:paused")
	done := "paused"
	if until != nil {
		done += " until " + until.Format(timeShown)
	}
	object, err := cluster.steer(ctx, groupKind(), name, func(o client.Object) (fields, error) {
		now := &asGroup(o).Spec.Rollout
		if now.Paused && now.Reason == reason && sameTime(now.PausedUntil, until) {
			done = "was paused before"
			return nil, nil
		}
		return fields{"spec": fields{"rollout": fields{"paused": true, "reason": reason, "pausedUntil": timeOrNil(until)}}}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(output, groupKind(), object, done)
}

func (a *App) rolloutResumeCommand() *cobra.Command {
	var reason, output string
	command := &cobra.Command{
		Use:   "resume GROUP",
		Short: "Let a rollout go on that is paused, or that stopped on failures",
		Long: `Let a rollout go on that is paused, or that stopped since too many servers failed.
The failures so far are forgiven, and what was denied or cancelled is tried again.
Servers that failed stay as they are until they are released from their quarantine.`,
		Example:           a.text("  stargate rollout resume web -n dc-west --reason \"bad disk in server-023 only, RMA-77\""),
		ValidArgsFunction: a.completeNames(groupKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneSteered(args, groupKind(), reason, output)
			if err != nil {
				return err
			}
			return a.resumeGroup(cmd.Context(), name, reason, output)
		},
	}
	bindReason(command, &reason)
	a.outputFlag(command, &output, actFormats...)
	return command
}

func (a *App) resumeGroup(ctx context.Context, name, reason, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	a.tellSource(ctx, cluster, name, "f:spec", "f:rollout", "f:paused")
	done := ""
	object, err := cluster.steerExactly(ctx, groupKind(), name, func(o client.Object) (fields, error) {
		change, said := resumeChange(asGroup(o), reason)
		done = said
		return change, nil
	})
	if err != nil {
		return err
	}
	group := asGroup(object)
	for _, left := range group.Status.Left {
		if left.Reason == v1alpha1.LeftFailed {
			a.note("Server %s stays as it is: it failed (%s). Once it is mended: %s release server %s -n %s --reason …",
				left.Server, render.Clean(left.Message), a.name, left.Server, group.Namespace)
		}
	}
	return a.steered(output, groupKind(), object, done)
}

// resumeChange takes back a pause, and forgives what failed; nil where there is neither.
func resumeChange(group *v1alpha1.ServerGroup, reason string) (fields, string) {
	annotations := fields{v1alpha1.AnnotationResumeReason: reason}
	change := fields{"metadata": fields{"annotations": annotations}}
	done := ""
	if group.Spec.Rollout.Paused {
		change["spec"] = fields{"rollout": fields{"paused": nil, "pausedUntil": nil, "reason": nil}}
		done = "resumed"
	}
	if somethingToForgive(group) && !resumed(group) {
		annotations[v1alpha1.AnnotationResume] = rollout.ResumeToken(&group.Status)
		done = "resumed: " + render.Count(int(group.Status.Revision.Failures-group.Status.Revision.Forgiven), "failure") + " forgiven"
	}
	if done == "" {
		return nil, "is neither paused nor stopped: there is nothing to resume"
	}
	return change, done
}

func somethingToForgive(group *v1alpha1.ServerGroup) bool {
	revision := &group.Status.Revision
	return revision.Failures > revision.Forgiven || slices.ContainsFunc(group.Status.Left, func(left v1alpha1.LeftServer) bool {
		return left.Reason != v1alpha1.LeftFailed
	})
}

func (a *App) rolloutApproveCommand() *cobra.Command {
	options := &approveOptions{}
	command := &cobra.Command{
		Use:   "approve GROUP",
		Short: "Let a wave begin, or pass what the guard holds",
		Long: `Let a wave begin that needs an approval, or what the guard holds go on: the same
as approve group. Without --wave it is what waits, the guard first.`,
		Example:           a.text("  stargate rollout approve web -n dc-west --wave r1 --reason \"canaries look fine\""),
		ValidArgsFunction: a.completeNames(groupKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneSteered(args, groupKind(), options.reason, options.output)
			if err != nil {
				return err
			}
			return a.approveGroup(cmd.Context(), name, options)
		},
	}
	options.bind(a, command)
	command.Flags().StringVar(&options.wave, "wave", "", "This wave. Default: what waits, the guard first")
	return command
}
