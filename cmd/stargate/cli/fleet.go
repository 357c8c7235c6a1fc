package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

func (a *App) fleetCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "fleet", Short: "See and steer the git repositories that say what should be",
		Args: a.noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.fleetListCommand(), a.fleetStatusCommand(), a.fleetReconcileCommand(),
		a.fleetSuspendCommand(), a.fleetResumeCommand())
	return command
}

func (a *App) fleetListCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List the fleets",
		Args:  exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, lookFormats...); err != nil {
				return err
			}
			return a.get(cmd.Context(), target{kind: fleetKind()}, &lookOptions{output: output})
		},
	}
	a.outputFlag(command, &output, lookFormats...)
	return command
}

func (a *App) fleetStatusCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "status NAME",
		Short: "Show a fleet: what is applied, what waits, what is wrong in which file, how far its groups are",
		Long: `Show a fleet: which commit is applied and which was last read, what waits for an
approval, what is wrong in which file and line, how far its groups are, and what
became of the last ten commits.`,
		Example:           a.text("  stargate fleet status prod"),
		ValidArgsFunction: a.completeNames(fleetKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneNamed(args, fleetKind())
			if err == nil {
				err = checkOutput(output, render.JSON, render.YAML)
			}
			if err != nil {
				return err
			}
			return a.fleetStatus(cmd.Context(), name, output)
		},
	}
	a.outputFlag(command, &output, render.JSON, render.YAML)
	return command
}

func (a *App) fleetStatus(ctx context.Context, name, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	object, err := cluster.read(ctx, fleetKind(), name)
	if err != nil {
		return err
	}
	groups, err := cluster.all(ctx, &v1alpha1.ServerGroupList{}, "", v1alpha1.LabelFleet+"="+name)
	if err != nil {
		return err
	}
	report := fleetReportOf(asFleet(object), groupsOf(groups))
	if output != "" {
		return render.Structured(a.out, output, report)
	}
	for _, line := range a.fleetLines(report) {
		a.say("%s", line)
	}
	return nil
}

func (a *App) fleetSuspendCommand() *cobra.Command {
	var reason, until, output string
	command := &cobra.Command{
		Use:   "suspend NAME",
		Short: "Fetch and apply nothing, and let the fleet's rollouts start nothing",
		Long: `Fetch and apply nothing, and let the fleet's rollouts start nothing. What runs is
seen out. With --until it goes on by itself.`,
		Example:           a.text("  stargate fleet suspend prod --reason \"freeze for the release, CHG-1042\" --until \"2026-12-01 06:00\""),
		ValidArgsFunction: a.completeNames(fleetKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneSteered(args, fleetKind(), reason, output)
			if err != nil {
				return err
			}
			at, err := parseUntil(until, a.now())
			if err != nil {
				return err
			}
			return a.suspend(cmd.Context(), name, reason, at, output)
		},
	}
	bindReason(command, &reason)
	bindUntil(command, &until)
	a.outputFlag(command, &output, actFormats...)
	return command
}

func (a *App) suspend(ctx context.Context, name, reason string, until *time.Time, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	done := "suspended"
	if until != nil {
		done += " until " + until.Format(timeShown)
	}
	object, err := cluster.steer(ctx, fleetKind(), name, func(o client.Object) (fields, error) {
		spec := &asFleet(o).Spec
		if spec.Suspend && spec.Reason == reason && sameTime(spec.SuspendUntil, until) {
			done = "was suspended before"
			return nil, nil
		}
		return fields{"spec": fields{"suspend": true, "reason": reason, "suspendUntil": timeOrNil(until)}}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(output, fleetKind(), object, done)
}

func (a *App) fleetResumeCommand() *cobra.Command {
	var reason, output string
	command := &cobra.Command{
		Use:               "resume NAME",
		Short:             "Take a suspension back",
		Example:           a.text("  stargate fleet resume prod --reason \"release is out\""),
		ValidArgsFunction: a.completeNames(fleetKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oneSteered(args, fleetKind(), reason, output)
			if err != nil {
				return err
			}
			return a.resumeFleet(cmd.Context(), name, reason, output)
		},
	}
	bindReason(command, &reason)
	a.outputFlag(command, &output, actFormats...)
	return command
}

func (a *App) resumeFleet(ctx context.Context, name, reason, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	done := "resumed"
	object, err := cluster.steer(ctx, fleetKind(), name, func(o client.Object) (fields, error) {
		if !asFleet(o).Spec.Suspend {
			done = "is not suspended: there is nothing to resume"
			return nil, nil
		}
		return fields{
			"spec":     fields{"suspend": nil, "suspendUntil": nil, "reason": nil},
			"metadata": fields{"annotations": fields{v1alpha1.AnnotationResumeReason: reason}},
		}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(output, fleetKind(), object, done)
}
