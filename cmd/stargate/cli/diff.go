package cli

import (
	"github.com/spf13/cobra"

	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
)

func (a *App) diffCommand() *cobra.Command {
	o := &planOptions{}
	command := &cobra.Command{
		Use:   "diff [REVISION | REVISION..REVISION]",
		Short: "Tell object by object and field by field what a commit would change",
		Long: a.text(`Tell object by object and field by field what a commit of a fleet's repository would
add, change and prune. What follows for machines is told by stargate plan.

` + sourcesHelp + `

Exit codes beyond the usual, with --exit-code: 2 something differs, 3 it would be held.`),
		Example: a.text(`  stargate diff
  stargate diff origin/main..HEAD
  stargate diff --exit-code --snapshot fleet.json main`),
		Args: atMost(1, "no more than one revision or range"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(o.output, render.JSON, render.YAML, render.Name); err != nil {
				return err
			}
			report, err := a.reportOn(cmd.Context(), o, args, false)
			if err != nil {
				return err
			}
			diff := planning.DiffOf(report)
			switch o.output {
			case "":
				err = diff.Text(a.out, a.style)
			case render.Name:
				diff.Names(func(name string) { a.say("%s", render.Clean(name)) })
			default:
				err = render.Structured(a.out, o.output, diff)
			}
			if err != nil {
				return err
			}
			return exitWith(o.codeFor(report))
		},
	}
	o.bind(command.Flags())
	a.outputFlag(command, &o.output, render.JSON, render.YAML, render.Name)
	return command
}
