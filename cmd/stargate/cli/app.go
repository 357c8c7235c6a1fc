package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"stargate.io/stargate/cmd/stargate/render"
)

// App is one invocation: its streams, its name and the flags that all commands share.
type App struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	style  render.Style // of out
	notes  render.Style // of err
	name   string       // as people type it: "stargate" or "kubectl stargate"
	flags  *genericclioptions.ConfigFlags
	now    func() time.Time
	random func(n int) string
}

// Main runs one command line and gives the exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := newApp(args[0], in, out, errOut)
	root := app.command()
	root.SetArgs(args[1:])
	command, err := root.ExecuteContextC(ctx)
	return app.report(command.CommandPath(), app.explained(err))
}

func newApp(argv0 string, in io.Reader, out, errOut io.Writer) *App {
	// What libraries log is no answer to what was asked; `run` sets a logger of its own.
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	app := &App{
		in: in, out: out, err: errOut,
		style: render.StyleOf(out), notes: render.StyleOf(errOut),
		name: nameOf(argv0), flags: genericclioptions.NewConfigFlags(true),
		now: time.Now, random: randomSuffix,
	}
	app.flags.WrapConfigFn = func(config *rest.Config) *rest.Config {
		// The server's own fairness is the bound; five requests a second is not.
		config.QPS, config.Burst = -1, -1
		config.UserAgent = "stargate-cli/" + buildVersion()
		config.WarningHandler = rest.NewWarningWriter(errOut, rest.WarningWriterOptions{Deduplicate: true})
		return config
	}
	return app
}

// nameOf is how the person called this binary: kubectl runs kubectl-stargate.
func nameOf(argv0 string) string {
	base := strings.TrimSuffix(filepath.Base(argv0), ".exe")
	if plugin, ok := strings.CutPrefix(base, "kubectl-"); ok {
		return "kubectl " + strings.ReplaceAll(plugin, "_", "-")
	}
	return "stargate"
}

// report prints an error and gives the code to end with.
func (a *App) report(command string, err error) int {
	code := codeOf(err)
	if err == nil {
		return code
	}
	if text := err.Error(); text != "" {
		a.note("%s %s", a.notes.Paint(render.Bad, "error:"), safe(text))
	}
	if code == exitUsage {
		a.note("See: %s --help", command)
	}
	return code
}

// safe keeps the line breaks of a message and nothing else that could drive a terminal.
func safe(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = render.Clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// note tells a person something, on stderr.
func (a *App) note(format string, args ...any) {
	// Nobody is left to tell where stderr is gone.
	_, _ = fmt.Fprintf(a.err, format+"\n", args...)
}

// say writes one line of data, on stdout. A pipe that was closed ends the process by itself.
func (a *App) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.out, format+"\n", args...)
}

// command builds the tree of commands.
func (a *App) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "stargate",
		Short: "Look after bare-metal fleets from one Kubernetes cluster",
		Long: a.text(`Stargate looks after every bare-metal server in every datacenter from one
Kubernetes management cluster.

Exit codes, the same whatever -o says:
  0 fine   1 failed   3 held or denied   4 timed out   64 wrong usage
and with --exit-code of plan and diff: 2 something differs`),
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: a.name},
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              a.noSuchCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return &exitError{code: exitUsage, message: err.Error()}
	})
	a.flags.AddFlags(root.PersistentFlags())
	a.groups(root)
	root.SetHelpCommand(a.helpCommand())
	hideGlobalFlags(root)
	return root
}

// groups adds every command under its heading.
func (a *App) groups(root *cobra.Command) {
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"act", "Act on servers:", a.actionCommands()},
		{"steer", "Steer what is under way:", []*cobra.Command{
			a.rolloutCommand(), a.fleetCommand(), a.approveCommand(),
			a.cancelCommand(), a.releaseCommand(), a.resolveCommand(), a.pauseCommand(), a.resumeCommand()}},
		{"look", "Look:", []*cobra.Command{
			a.planCommand(), a.explainCommand(), a.policyCommand(), a.hookCommand(), a.diffCommand(), a.snapshotCommand(), a.statusCommand(), a.treeCommand(), a.getCommand(), a.watchCommand()}},
		{"run", "Run Stargate:", []*cobra.Command{
			a.checkCommand(), a.installCommand(), a.uninstallCommand(), a.runCommand()}},
		{"other", "Other:", []*cobra.Command{a.versionCommand(), a.completionCommand(), a.optionsCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, command := range group.commands {
			command.GroupID = group.id
			root.AddCommand(command)
		}
	}
	root.AddCommand(a.operationCommand())
}

// helpCommand is cobra's, but for a topic that is none: that is wrong usage here too.
func (a *App) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		Short:   "Tell about a command",
		GroupID: "other",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %q to tell about", render.Clean(strings.Join(args, " ")))
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// text fits the examples of a help text to how the binary was called.
func (a *App) text(help string) string {
	if a.name == "stargate" {
		return help
	}
	return strings.ReplaceAll(help, "stargate ", a.name+" ")
}

// noSuchCommand refuses whatever follows a command that only groups others.
func (a *App) noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	suggestion := ""
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		suggestion = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("there is no command %q for %s%s", render.Clean(args[0]), cmd.CommandPath(), suggestion)
}

// exactly and atLeast check how many arguments there are, and say which are meant.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("expected %s, got %s", what, render.Count(len(args), "argument"))
		}
		return nil
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("expected %s, got %s", what, render.Count(len(args), "argument"))
		}
		return nil
	}
}
