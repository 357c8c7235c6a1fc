package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stargate.io/stargate/cmd/stargate/preflight"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/config"
)

func (a *App) checkCommand() *cobra.Command {
	var output, leaseNamespace string
	var before bool
	command := &cobra.Command{
		Use:   "check",
		Short: "Check that everything works, and say what mends what does not",
		Long: `Check that everything works: API server, installation, permissions, controller,
datacenters, and that no two servers claim to be the same machine. Each failure
comes with its mend. Ends with 1 when a check failed; warnings do not count.

All namespaces are looked into, unless -n names one.`,
		Example: a.text(`  stargate check --pre     # before stargate install
  stargate check
  stargate check -n dc-west -o json`),
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, render.JSON, render.YAML); err != nil {
				return err
			}
			return a.check(cmd.Context(), before, leaseNamespace, output)
		},
	}
	a.outputFlag(command, &output, render.JSON, render.YAML)
	command.Flags().BoolVar(&before, "pre", false, "Check only what an installation needs")
	command.Flags().StringVar(&leaseNamespace, "leader-elect-namespace", config.SystemNamespace, "Namespace of the Lease that controllers contend for")
	return command
}

func (a *App) check(ctx context.Context, before bool, leaseNamespace, output string) error {
	inputs, err := a.preflightInputs(leaseNamespace)
	if err != nil {
		return err
	}
	report := preflight.Run(ctx, inputs, before)
	if output != "" {
		err = render.Structured(a.out, output, report)
	} else {
		a.showReport(report)
	}
	if err == nil && !report.OK {
		err = exitWith(exitFailed)
	}
	return err
}

func (a *App) preflightInputs(leaseNamespace string) (*preflight.Inputs, error) {
	cluster, err := a.connect()
	if err != nil {
		return nil, err
	}
	restConfig, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	asked, err := a.discovery()
	if err != nil {
		return nil, err
	}
	ours, err := manifests()
	if err != nil {
		return nil, err
	}
	inputs := &preflight.Inputs{
		Reader: cluster, Writer: cluster, Discovery: asked, Host: restConfig.Host,
		LeaseNamespace: leaseNamespace, Now: a.now, Command: a.name,
		CRDs: ours[partCRDs], RBAC: ours[partRBAC], Admission: ours[partAdmission],
	}
	if cluster.given {
		inputs.Namespace = cluster.namespace
	}
	return inputs, nil
}

func (a *App) showReport(report *preflight.Report) {
	words := map[preflight.Status]render.Cell{
		preflight.OK:      {Text: "ok", Colour: render.Good},
		preflight.Warn:    {Text: "warn", Colour: render.Held},
		preflight.Fail:    {Text: "FAIL", Colour: render.Bad},
		preflight.Skipped: {Text: "skip", Colour: render.Faint},
	}
	group := ""
	for _, check := range report.Checks {
		if check.Group != group {
			if group != "" {
				a.say("")
			}
			group = check.Group
			a.say("%s", group)
		}
		word := words[check.Status]
		a.say("  %s  %s: %s", a.style.Paint(word.Colour, fmt.Sprintf("%-4s", word.Text)), check.Name, check.Message)
		if check.Mend != "" {
			a.say("        → %s", check.Mend)
		}
	}
	a.say("")
	failed, warned := report.Count(preflight.Fail), report.Count(preflight.Warn)
	text := render.Count(len(report.Checks), "check") + ": "
	switch {
	case failed > 0:
		a.say("%s%s", text, a.style.Paint(render.Bad, fmt.Sprintf("%d failed, %s", failed, render.Count(warned, "warning"))))
	case warned > 0:
		a.say("%s%s", text, a.style.Paint(render.Held, "none failed, "+render.Count(warned, "warning")))
	default:
		a.say("%s%s", text, a.style.Paint(render.Good, "all well"))
	}
}
