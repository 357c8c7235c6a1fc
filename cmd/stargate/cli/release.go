package cli

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

func (a *App) releaseCommand() *cobra.Command {
	var reason, output string
	var force bool
	command := &cobra.Command{
		Use:   "release server NAME",
		Short: "Take a server out of quarantine",
		Long: `Take a server out of quarantine, once what made it fail is mended. It then counts
as never touched: what it runs is not known before it is provisioned again.

Where the site could not say whether its last job has ended, a release could put
two jobs on one machine. Make sure that none runs, then release with --force.`,
		Example:           a.text("  stargate release server server-023 -n dc-west --reason \"disk replaced, RMA-77\""),
		ValidArgsFunction: a.completeTarget(serverKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := oneTarget(args, reason, output, serverKind())
			if err != nil {
				return err
			}
			return a.release(cmd.Context(), found.names[0], reason, output, force)
		},
	}
	bindReason(command, &reason)
	a.outputFlag(command, &output, actFormats...)
	command.Flags().BoolVar(&force, "force", false, "Release although the site could not say that the job has ended: you made sure of it")
	return command
}

func (a *App) release(ctx context.Context, name, reason, output string, force bool) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	done := "is being released"
	object, err := cluster.steer(ctx, serverKind(), name, func(o client.Object) (fields, error) {
		server := asServer(o)
		quarantine := server.Status.Quarantine
		switch {
		case quarantine == nil:
			return nil, failf("Server %s is not quarantined: there is nothing to release", name)
		case quarantine.JobMayRun && !force:
			return nil, failf("Server %s is quarantined since Operation %s (%s), and the site could not say that its job has ended. "+
				"Make sure that no job runs on the machine, then release it with --force",
				name, quarantine.Operation, quarantine.Reason)
		case server.Annotations[v1alpha1.AnnotationRelease] == quarantine.UID:
			done = "is being released since before"
			return nil, nil
		}
		a.note("Server %s is quarantined since Operation %s: %s", name, quarantine.Operation, render.Clean(render.Or(quarantine.Message, quarantine.Reason)))
		// The quarantine's UID makes sure that this never releases a later one.
		return fields{"metadata": fields{"annotations": fields{
			v1alpha1.AnnotationRelease: quarantine.UID, v1alpha1.AnnotationReleaseReason: reason,
		}}}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(output, serverKind(), object, done)
}
