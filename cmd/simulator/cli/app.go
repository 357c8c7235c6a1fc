package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes, which are those of stargate.
const (
	exitFine     = 0
	exitFailed   = 1
	exitTimedOut = 4
	exitUsage    = 64
)

// version is set when a release is built.
var version = "dev"

// defaultState is the state folder of a simulator that is told of none.
const defaultState = "/var/lib/stargate"

// app is one invocation.
type app struct {
	in       io.Reader
	out, err io.Writer
	state    string
}

// usageError is for what the person typed.
type usageError struct{ message string }

func (u *usageError) Error() string { return u.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// Main runs one command line and gives the exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: in, out: out, err: errOut}
	root := a.command()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	return a.report(command.CommandPath(), err)
}

// report prints an error and gives the code to end with.
func (a *app) report(command string, err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &usage):
		a.note("error: %s", clean(err.Error()))
		a.note("See: %s --help", command)
		return exitUsage
	case errors.Is(err, errSaid):
		return exitFailed
	}
	a.note("error: %s", clean(err.Error()))
	if errors.Is(err, context.DeadlineExceeded) {
		return exitTimedOut
	}
	return exitFailed
}

// errSaid ends with a failure of which everything has been said.
var errSaid = errors.New("said already")

// note tells a person something, on stderr.
func (a *app) note(format string, args ...any) {
	// Nobody is left to tell where stderr is gone.
	_, _ = fmt.Fprintf(a.err, format+"\n", args...)
}

// say writes one line of data, on stdout.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format+"\n", args...)
	return err
}

// clean leaves out what could drive a terminal, but for line breaks and tabs.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

func (a *app) command() *cobra.Command {
	options := &runOptions{}
	root := &cobra.Command{
		Use:   "simulator",
		Short: "A datacenter of virtual machines on this host",
		Long: `Run a datacenter of virtual machines on this host, until told to stop (SIGINT or
SIGTERM). The machines go on without it, and are found again by the next.

It serves the DC API, and a Redfish management controller for each machine.
With a kubeconfig it also runs the Operations of its own namespace.

Exit codes: 0 fine   1 failed   4 timed out   64 wrong usage`,
		Example: `  # with the cluster of the current kubeconfig
  sudo simulator --kubeconfig ~/.kube/config

  # only the faces, for a Stargate elsewhere
  sudo simulator --listen 127.0.0.1:8090`,
		Args:              exactly(0, "no argument"),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) (err error) {
			a.state, err = resolved(a.state)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), options) },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%s", err) })
	root.PersistentFlags().StringVar(&a.state, "state", defaultState, "State folder")
	options.bind(root.Flags())
	root.AddCommand(a.listCommand(), a.consoleCommand(), a.logsCommand(), a.deleteCommand(),
		a.faultCommand("kill", "Kill a machine's process, as a power cut would"),
		a.faultCommand("hang", "Freeze a machine, so that nothing of it answers"),
		a.faultCommand("cut", "Cut a machine off its network"),
		a.faultCommand("mend", "Put back what hang or cut did, before the machine is started again for it"),
		a.downCommand(), a.doctorCommand(), a.versionCommand())
	return root
}

// resolved gives a folder by its one true name, since machines are known by the paths of their disks: whoever says it another
// way means the same machines. What is not there yet is taken as it is said.
func resolved(folder string) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("finding the state folder: %w", err)
	}
	for is, rest := path, ""; ; is, rest = filepath.Dir(is), filepath.Join(filepath.Base(is), rest) {
		found, err := filepath.EvalSymlinks(is)
		if err == nil {
			return filepath.Join(found, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || is == filepath.Dir(is) {
			return "", fmt.Errorf("finding the state folder: %w", err)
		}
	}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error { return a.say("%s", version) },
	}
}

// exactly checks how many arguments there are, and says which are meant.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("expected %s, got %d arguments", what, len(args))
		}
		return nil
	}
}
