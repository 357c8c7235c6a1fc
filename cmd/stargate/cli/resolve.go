package cli

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

func (a *App) resolveCommand() *cobra.Command {
	var reason, output string
	var itRan, itDidNot bool
	command := &cobra.Command{
		Use:   "resolve operation NAME --it-ran|--it-did-not",
		Short: "Say what became of a request whose reply was lost",
		Long: `Say what became of a request whose reply was lost. A site that knows no request
id cannot tell whether the job was started, so the Operation waits, with its
server and its place, until a person has looked at the machine.

  --it-ran      the job was started and has ended well: the Operation succeeds
  --it-did-not  no job was started: it is sent again`,
		Example:           a.text("  stargate resolve operation repave-server-001-x7k2p -n dc-east --it-did-not --reason \"console shows the old OS, up 40 days\""),
		ValidArgsFunction: a.completeTarget(operationKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := oneTarget(args, reason, output, operationKind())
			if err != nil {
				return err
			}
			if itRan == itDidNot {
				return usagef("say one of --it-ran and --it-did-not")
			}
			word := "it-ran"
			if itDidNot {
				word = "it-did-not"
			}
			return a.resolve(cmd.Context(), found.names[0], word, reason, output)
		},
	}
	bindReason(command, &reason)
	a.outputFlag(command, &output, actFormats...)
	command.Flags().BoolVar(&itRan, "it-ran", false, "The job was started and has ended well")
	command.Flags().BoolVar(&itDidNot, "it-did-not", false, "No job was started")
	return command
}

func (a *App) resolve(ctx context.Context, name, word, reason, output string) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	done := "resolved: " + word
	object, err := cluster.steer(ctx, operationKind(), name, func(o client.Object) (fields, error) {
		op := asOperation(o)
		attempt := op.Status.LastAttempt()
		switch {
		case op.Status.Phase.Terminal():
			return nil, failf("Operation %s has ended already: %s. There is nothing left to resolve", name, op.Status.Phase)
		case !parked(op) || attempt == nil:
			return nil, failf("Operation %s waits for no word from you: it is known what became of its requests (its condition Dispatched is not Unknown)", name)
		}
		// The request's id makes sure that the word is about this attempt and no later one.
		said := attempt.RequestID + "=" + word
		if op.Annotations[v1alpha1.AnnotationResolve] == said {
			done = "was resolved before: " + word
			return nil, nil
		}
		return fields{"metadata": fields{"annotations": fields{
			v1alpha1.AnnotationResolve: said, v1alpha1.AnnotationResolveReason: reason,
		}}}, nil
	})
	if err != nil {
		return err
	}
	return a.steered(output, operationKind(), object, done)
}
