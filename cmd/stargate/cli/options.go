package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// shownGlobals are the flags of kubectl that people use all day; the others are listed by
// `stargate options`, as kubectl does it, so that a help text stays on one screen.
var shownGlobals = []string{"namespace", "context", "kubeconfig"}

func hideGlobalFlags(root *cobra.Command) {
	usage := root.UsageTemplate()
	usage = strings.ReplaceAll(usage, ".InheritedFlags.FlagUsages", `(globals .).FlagUsages`)
	usage = strings.ReplaceAll(usage, ".LocalFlags.FlagUsages", `(locals .).FlagUsages`)
	usage = strings.TrimRight(usage, "\n") + "{{if not .HasAvailableSubCommands}}\n\nAll of kubectl's flags are taken too: \"{{.Root.DisplayName}} options\" lists them.{{end}}\n"
	cobra.AddTemplateFunc("globals", func(cmd *cobra.Command) *pflag.FlagSet { return only(cmd.InheritedFlags(), true) })
	cobra.AddTemplateFunc("locals", func(cmd *cobra.Command) *pflag.FlagSet {
		if cmd.HasParent() {
			return cmd.LocalFlags()
		}
		return only(cmd.LocalFlags(), false)
	})
	root.SetUsageTemplate(usage)
}

// only keeps what is shown of the global flags; of the root's own set, help as well.
func only(flags *pflag.FlagSet, inherited bool) *pflag.FlagSet {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, name := range shownGlobals {
		if flag := flags.Lookup(name); flag != nil {
			shown.AddFlag(flag)
		}
	}
	if flag := flags.Lookup("help"); flag != nil && !inherited {
		shown.AddFlag(flag)
	}
	return shown
}

func (a *App) optionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "List the flags that every command takes",
		Args:  exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.say("Flags that every command takes:\n\n%s", strings.TrimRight(cmd.InheritedFlags().FlagUsages(), "\n"))
			return nil
		},
	}
}
