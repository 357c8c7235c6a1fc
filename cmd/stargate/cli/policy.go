package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stargate.io/stargate/cmd/stargate/authoring"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/gitsync/tree"
)

func (a *App) policyCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "policy", Aliases: []string{"policies"}, Short: "Check, test and try the rules that Operations must pass",
		Args: a.noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.policyCheckCommand(), a.policyTestCommand(), a.policyEvalCommand(), a.policyReplayCommand())
	return command
}

func (a *App) policyCheckCommand() *cobra.Command {
	var output string
	var verbose bool
	command := &cobra.Command{
		Use:   "check [FOLDER | FILE | -]...",
		Short: "Compile policies and hooks: what is wrong, with file, line and column",
		Long: `Compile the policies and hooks of folders and files, as a sync would; "-" is standard
input. Other objects are passed by. What is wrong is told with file, line, column and how
to mend it, and ends with 1.`,
		Example: a.text(`  stargate policy check .
  stargate policy check policies/one-per-rack.yaml -v
  cat policies/*.yaml | stargate policy check - -o json`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, render.JSON, render.YAML); err != nil {
				return err
			}
			check, err := a.policyCheck(cmd.Context(), args)
			if err != nil {
				return err
			}
			if structured(output) {
				err = render.Structured(a.out, output, check)
			} else {
				a.showCheck(check, verbose)
			}
			if err == nil && !check.OK {
				return exitWith(exitFailed)
			}
			return err
		},
	}
	command.Flags().BoolVarP(&verbose, "verbose", "v", false, "Tell of each policy what it asks the fleet, what it may cost, and what it needs stamped")
	a.outputFlag(command, &output, render.JSON, render.YAML)
	return command
}

func (a *App) policyCheck(ctx context.Context, args []string) (*authoring.Check, error) {
	schemas, err := schemasOfKinds()
	if err != nil {
		return nil, err
	}
	check := authoring.NewCheck()
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, arg := range args {
		folder, files, err := a.filesOf(ctx, arg)
		if err != nil {
			return nil, err
		}
		check.CheckFiles(folder, files, schemas)
	}
	return check, nil
}

// filesOf an argument: those of a folder; a file with the scripts beside it; standard input.
func (a *App) filesOf(ctx context.Context, arg string) (folder string, files []tree.File, err error) {
	if arg == "-" {
		data, err := io.ReadAll(io.LimitReader(a.in, longestInput+1))
		if err != nil {
			return "", nil, fmt.Errorf("reading standard input: %w", err)
		}
		if len(data) > longestInput {
			return "", nil, failf("standard input has more than %d MiB", longestInput>>20)
		}
		return "", []tree.File{{Path: "stdin.yaml", Data: data}}, nil
	}
	info, err := os.Stat(arg)
	if err != nil {
		return "", nil, err
	}
	if info.IsDir() {
		files, err = planning.ReadFolder(ctx, arg)
		return arg, files, err
	}
	data, err := readBounded(arg)
	if err != nil {
		return "", nil, err
	}
	folder = filepath.Dir(arg)
	files = []tree.File{{Path: filepath.Base(arg), Data: data}}
	scripts, err := filepath.Glob(filepath.Join(folder, "*.lua"))
	if err != nil {
		return "", nil, err
	}
	for _, script := range scripts {
		if data, err = readBounded(script); err != nil {
			return "", nil, err
		}
		files = append(files, tree.File{Path: filepath.Base(script), Data: data})
	}
	return folder, files, nil
}

// longestInput that is read from one file, or from standard input.
const longestInput = 16 << 20

func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the person names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, longestInput+1))
	if err == nil && len(data) > longestInput {
		return nil, failf("%s has more than %d MiB", name, longestInput>>20)
	}
	return data, err
}

func (a *App) showCheck(check *authoring.Check, verbose bool) {
	for _, problem := range check.Problems {
		a.say("%s", safe(problem.String()))
	}
	warnings := 0
	for i := range check.Policies {
		policy := &check.Policies[i]
		if verbose {
			a.say("%s:%d   policy %s   %s", render.Clean(policy.File), policy.Line, render.Clean(policy.Name), policyWords(policy))
		}
		for _, warning := range policy.Warnings {
			warnings++
			a.note("%s %s", a.notes.Paint(render.Held, "warning:"), safe(warning.String()))
		}
	}
	for i := range check.Hooks {
		hook := &check.Hooks[i]
		if verbose {
			a.say("%s:%d   hook %s   runs %s; may reach %s", render.Clean(hook.File), hook.Line, render.Clean(hook.Name), hook.When,
				render.Or(render.Clean(strings.Join(append(hook.Hosts, hook.Verbs...), ", ")), "nothing"))
		}
	}
	if !check.OK {
		a.say("%s: nothing of it would be applied", render.Count(len(check.Problems), "problem"))
		return
	}
	text := render.Count(len(check.Policies), "policy") + " and " + render.Count(len(check.Hooks), "hook") + " compile"
	a.say("%s", strings.Replace(text, "policys", "policies", 1)+", "+render.Count(warnings, "warning"))
}

// policyWords tell what there is to know of a policy.
func policyWords(policy *authoring.PolicyCheck) string {
	text := "rules " + strings.Join(policy.Rules, ", ")
	if len(policy.Asks) > 0 {
		text += "; asks " + strings.Join(policy.Asks, ", ")
	}
	if policy.Cost > 0 {
		text += fmt.Sprintf("; costs at most %d", policy.Cost)
	}
	if len(policy.ReadsRequester) > 0 {
		text += "; needs the requester stamped for " + strings.Join(policy.ReadsRequester, ", ")
	}
	if len(policy.ReadsSource) > 0 {
		text += "; needs the source stamped for " + strings.Join(policy.ReadsSource, ", ")
	}
	if policy.DryRun {
		text += "; only tells (DryRun)"
	}
	return render.Clean(text)
}
