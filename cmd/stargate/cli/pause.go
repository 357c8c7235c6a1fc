package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

func (a *App) pauseCommand() *cobra.Command {
	command := a.pausingCommand(true)
	command.Use = "pause server|datacenter|group|fleet NAME"
	command.Short = "Let nothing start on a server, at a site, or by a rollout"
	command.Long = `Let nothing start on a server, at a whole site, or by the rollout of a group or of
all groups of a fleet. What runs is seen out; what is asked for meanwhile waits, and
says for what. Groups and fleets can resume by themselves, with --until.`
	command.Example = a.text(`  stargate pause server server-017 -n dc-west --reason RMA-77
  stargate pause group web -n dc-west --reason INC-512 --until 22:00
  stargate pause datacenter dc-west -n dc-west --reason "power works until Monday"`)
	return command
}

func (a *App) resumeCommand() *cobra.Command {
	command := a.pausingCommand(false)
	command.Use = "resume server|datacenter|group|fleet NAME"
	command.Short = "Take a pause back; let a rollout go on that stopped on failures"
	command.Example = a.text("  stargate resume server server-017 -n dc-west --reason \"disk replaced\"")
	return command
}

func (a *App) pausingCommand(paused bool) *cobra.Command {
	var reason, until, output string
	kinds := []kind{serverKind(), datacenterKind(), groupKind(), fleetKind()}
	command := &cobra.Command{
		ValidArgsFunction: a.completeTarget(kinds...),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := oneTarget(args, reason, output, kinds...)
			if err != nil {
				return err
			}
			at, err := parseUntil(until, a.now())
			if err != nil {
				return err
			}
			return a.pauseOrResume(cmd.Context(), found, paused, reason, at, output)
		},
	}
	bindReason(command, &reason)
	if paused {
		bindUntil(command, &until)
	}
	a.outputFlag(command, &output, actFormats...)
	return command
}

// pauseOrResume does what is meant for a kind: rollouts have a pause of their own.
func (a *App) pauseOrResume(ctx context.Context, found target, paused bool, reason string, until *time.Time, output string) error {
	name := found.names[0]
	switch {
	case found.kind.is("group") && paused:
		return a.pauseGroup(ctx, name, reason, until, output)
	case found.kind.is("group"):
		return a.resumeGroup(ctx, name, reason, output)
	case found.kind.is("fleet") && paused:
		return a.suspend(ctx, name, reason, until, output)
	case found.kind.is("fleet"):
		return a.resumeFleet(ctx, name, reason, output)
	case until != nil:
		return usagef("--until is for groups and fleets: a %s stays paused until it is resumed", found.kind.singular)
	}
	return a.setPaused(ctx, found.kind, name, paused, reason, output)
}

func (a *App) setPaused(ctx context.Context, k kind, name string, paused bool, reason, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	done := "resumed"
	if paused {
		done = "paused"
	}
	object, err := cluster.steer(ctx, k, name, func(o client.Object) (fields, error) {
		was, why := pausedNow(o)
		switch {
		case was == paused && (!paused || why == reason):
			done = "was " + done + " before"
			return nil, nil
		case paused:
			return fields{"spec": fields{"paused": true, "reason": reason}}, nil
		}
		spec := fields{"paused": nil}
		// A server in maintenance keeps the reason, which is that of the maintenance too.
		if !asServer(o).Spec.Maintenance {
			spec["reason"] = nil
		}
		return fields{"spec": spec, "metadata": fields{"annotations": fields{v1alpha1.AnnotationResumeReason: reason}}}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(output, k, object, done)
}

// pausedNow tells whether an object is paused, and why.
func pausedNow(object client.Object) (bool, string) {
	switch o := object.(type) {
	case *v1alpha1.Server:
		return o.Spec.Paused, o.Spec.Reason
	case *v1alpha1.Datacenter:
		return o.Spec.Paused, o.Spec.Reason
	}
	return false, ""
}
