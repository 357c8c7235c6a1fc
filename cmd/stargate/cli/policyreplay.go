package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stargate.io/stargate/cmd/stargate/authoring"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/policies/rules"
)

func (a *App) policyReplayCommand() *cobra.Command {
	var snapshot, output string
	var last int
	command := &cobra.Command{
		Use:   "replay [FOLDER | FILE | -]...",
		Short: "Tell what policies would have done to the latest Operations",
		Long: `Judge the latest Operations that ended by the policies of files, or, without any, by those that
live: which would have been held or denied. Each is judged as of when it started, by what
the objects say. How many servers were down then, or Operations under way, cannot be known
afterwards: where a rule asks for that, it is told so.`,
		Example: a.text(`  stargate policy replay policies/freeze.yaml --last 500
  stargate policy replay --snapshot fleet.json -o json`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, render.JSON, render.YAML); err != nil {
				return err
			}
			if last < 1 || last > 10_000 {
				return usagef("--last: expected 1 to 10000, got %d", last)
			}
			replay, err := a.policyReplay(cmd.Context(), snapshot, args, last)
			if err != nil {
				return err
			}
			if structured(output) {
				return render.Structured(a.out, output, replay)
			}
			return a.showReplay(replay)
		},
	}
	command.Flags().IntVar(&last, "last", 100, "How many Operations, the latest first")
	command.Flags().StringVar(&snapshot, "snapshot", "", "Look at this file, written by snapshot, in place of a cluster")
	a.outputFlag(command, &output, render.JSON, render.YAML)
	return command
}

func (a *App) policyReplay(ctx context.Context, snapshot string, args []string, last int) (*authoring.Replay, error) {
	policies, err := a.compiledOf(ctx, args)
	if err != nil {
		return nil, err
	}
	now := a.now()
	world, err := a.world(ctx, snapshot, now)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		policies = planning.Compiled(world.Policies)
	}
	if len(policies) == 0 {
		return nil, failf("there is no policy to judge by: name files, or apply one")
	}
	return authoring.ReplayOf(policies, world.Explaining(now), last), nil
}

// compiledOf the policies of files.
func (a *App) compiledOf(ctx context.Context, args []string) ([]*rules.Policy, error) {
	schemas, err := schemasOfKinds()
	if err != nil {
		return nil, err
	}
	var compiled []*rules.Policy
	for _, arg := range args {
		folder, files, err := a.filesOf(ctx, arg)
		if err != nil {
			return nil, err
		}
		sources, problems := authoring.Read(files, schemas)
		if len(problems) > 0 {
			return nil, failf("%s: %s does not compile: see %s policy check %s", folder, problems[0].String(), a.name, arg)
		}
		for _, source := range sources {
			if source.Policy != nil {
				compiled = append(compiled, authoring.Compile(source.Policy))
			}
		}
	}
	return compiled, nil
}

func (a *App) showReplay(replay *authoring.Replay) error {
	table := render.Table{Header: []string{"OPERATION", "STARTED", "OUTCOME", "RULE", "UNTIL", "MESSAGE"}}
	for i := range replay.Findings {
		f := &replay.Findings[i]
		until := "-"
		if f.Until != nil {
			until = untilWords(*f.Until, f.Started)
		}
		table.Rows = append(table.Rows, render.Texts(f.Namespace+"/"+f.Operation, f.Started.UTC().Format("2006-01-02 15:04"), f.Outcome, f.Policy+"/"+f.Rule, until, f.Message))
	}
	if len(table.Rows) > 0 {
		if err := table.Write(a.out, a.style); err != nil {
			return err
		}
	}
	unknown := ""
	if replay.Unknown > 0 {
		unknown = fmt.Sprintf(", and of %d it cannot be known afterwards", replay.Unknown)
	}
	a.say("Of %s %d would have passed, %d been held, %d denied%s", render.Count(replay.Operations, "Operation"), replay.Passed, replay.Held, replay.Denied, unknown)
	return nil
}
