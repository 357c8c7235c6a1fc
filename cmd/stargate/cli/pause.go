package cli

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// annotationResumeReason keeps why something was resumed: spec.reason is about the pause.
const annotationResumeReason = "stargate.io/resume-reason"

func (a *App) pauseCommand() *cobra.Command {
	command := a.pausingCommand(true)
	command.Use = "pause server|datacenter NAME"
	command.Short = "Let nothing start on a server, or at a site"
	command.Long = `Let nothing start on a server, or at a whole site. What runs is seen out; what is
asked for meanwhile waits, and says for what.`
	command.Example = a.text(`  stargate pause server server-017 -n dc-west --reason RMA-77
  stargate pause datacenter dc-west -n dc-west --reason "power works until Monday"`)
	return command
}

func (a *App) resumeCommand() *cobra.Command {
	command := a.pausingCommand(false)
	command.Use = "resume server|datacenter NAME"
	command.Short = "Take a pause back"
	command.Example = a.text("  stargate resume server server-017 -n dc-west --reason \"disk replaced\"")
	return command
}

func (a *App) pausingCommand(paused bool) *cobra.Command {
	var reason, output string
	command := &cobra.Command{
		ValidArgsFunction: a.completeTarget(serverKind(), datacenterKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := oneTarget(args, reason, output, serverKind(), datacenterKind())
			if err != nil {
				return err
			}
			return a.setPaused(cmd.Context(), found.kind, found.names[0], paused, reason, output)
		},
	}
	bindReason(command, &reason)
	a.outputFlag(command, &output, actFormats...)
	return command
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
		return fields{"spec": spec, "metadata": fields{"annotations": fields{annotationResumeReason: reason}}}, nil
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
