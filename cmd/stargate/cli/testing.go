package cli

import (
	"context"
	"fmt"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"stargate.io/stargate/cmd/stargate/authoring"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/policies/hooks"
)

// testOptions are the flags of policy test and hook test.
type testOptions struct {
	junit, run, output string
	coverageMin        int
	verbose            bool
}

func (o *testOptions) bind(a *App, command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.junit, "junit", "", "Write the results to this file too, as CI systems read them")
	flags.StringVar(&o.run, "run", "", "Run only the cases whose name this regular expression finds")
	flags.IntVar(&o.coverageMin, "coverage-min", 0, "Fail where less than this percentage was seen by a test")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "Name the cases that pass, and what no test has seen")
	a.outputFlag(command, &o.output, render.JSON, render.YAML)
}

// wanted tells which cases are run; nil for all.
func (o *testOptions) wanted() (func(string) bool, error) {
	if err := checkOutput(o.output, render.JSON, render.YAML); err != nil {
		return nil, err
	}
	if o.coverageMin < 0 || o.coverageMin > 100 {
		return nil, usagef("--coverage-min: expected 0 to 100, got %d", o.coverageMin)
	}
	if o.run == "" {
		return nil, nil
	}
	pattern, err := regexp.Compile(o.run)
	if err != nil {
		return nil, usagef("--run: %v", err)
	}
	return pattern.MatchString, nil
}

func (a *App) policyTestCommand() *cobra.Command {
	o := &testOptions{}
	command := &cobra.Command{
		Use:   "test [FOLDER]...",
		Short: "Run the tables of tests that lie beside policies",
		Long: `Run the tables of tests that lie beside policies or in tests/: YAML files with
"policies" and "cases". Of a case that fails it is told what each part of the rules came to. A case that
no policy matches fails. At the end it is told which rules and branches no case has seen both ways.`,
		Example: a.text(`  stargate policy test
  stargate policy test fleet --run rack -v
  stargate policy test . --junit policies.xml --coverage-min 90`),
		Args: atMost(8, "folders"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.policyTest(cmd.Context(), o, args) },
	}
	o.bind(a, command)
	return command
}

func (a *App) policyTest(ctx context.Context, o *testOptions, args []string) error {
	wanted, err := o.wanted()
	if err != nil {
		return err
	}
	schemas, err := schemasOfKinds()
	if err != nil {
		return err
	}
	test := authoring.NewPolicyTest()
	for _, arg := range orHere(args) {
		folder, files, err := a.filesOf(ctx, arg)
		if err != nil {
			return err
		}
		test.Run(folder, files, readBounded, schemas, wanted)
	}
	return a.endTest(o, test, test.JUnit, func() { a.showPolicyTest(test, o.verbose) }, verdictOfTests{
		ok: test.OK, ran: test.Passed + test.Failed, covered: min(test.Coverage.Rules.Percent, test.Coverage.Branches.Percent)})
}

func orHere(args []string) []string {
	if len(args) == 0 {
		return []string{"."}
	}
	return args
}

// verdictOfTests is what a run of tests comes to.
type verdictOfTests struct {
	ok           bool
	ran, covered int
}

// endTest shows a run of tests, writes it for CI, and gives the code that it ends with. That there is no
// test at all is no success.
func (a *App) endTest(o *testOptions, report any, junit func() ([]byte, error), show func(), v verdictOfTests) error {
	if o.junit != "" {
		text, err := junit()
		if err == nil {
			err = os.WriteFile(o.junit, text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", o.junit, err)
		}
	}
	if structured(o.output) {
		if err := render.Structured(a.out, o.output, report); err != nil {
			return err
		}
	} else {
		show()
	}
	switch {
	case !v.ok:
		return exitWith(exitFailed)
	case v.ran == 0:
		return failf("there is no such test")
	case v.covered < o.coverageMin:
		return failf("tests have seen %d%%, less than the %d%% of --coverage-min", v.covered, o.coverageMin)
	}
	return nil
}

func (a *App) showPolicyTest(test *authoring.PolicyTest, verbose bool) {
	a.showProblems(test.Problems)
	for _, table := range test.Tables {
		for i := range table.Cases {
			c := &table.Cases[i]
			switch {
			case !c.Passed:
				a.say("%s   %s:%d   %s", a.style.Paint(render.Bad, "FAIL"), render.Clean(table.File), c.Line, render.Clean(c.Name))
				for _, line := range c.Failures {
					a.say("       %s", render.Clean(line))
				}
				for _, line := range c.Details {
					a.say("       %s", cleanIndent(line))
				}
			case verbose:
				a.say("%s     %s:%d   %s", a.style.Paint(render.Good, "ok"), render.Clean(table.File), c.Line, render.Clean(c.Name))
			}
		}
	}
	if verbose {
		for _, missing := range test.Coverage.Missing {
			a.say("%s   %s", a.style.Paint(render.Held, "unseen"), render.Clean(missing))
		}
	}
	c := &test.Coverage
	a.say("%d passed, %d failed. Seen both ways: %d of %d rules and conditions (%d%%), %d of %d branches (%d%%)", test.Passed, test.Failed,
		c.Rules.Seen, c.Rules.All, c.Rules.Percent, c.Branches.Seen, c.Branches.All, c.Branches.Percent)
}

// cleanIndent makes a line harmless and keeps how far it is indented.
func cleanIndent(line string) string {
	text := 0
	for text < len(line) && line[text] == ' ' {
		text++
	}
	return line[:text] + render.Clean(line[text:])
}

func (a *App) showProblems(problems []authoring.Problem) {
	for _, problem := range problems {
		a.say("%s", safe(problem.String()))
	}
}

func (a *App) hookCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "hook", Aliases: []string{"hooks"}, Short: "Test and try the scripts that run before and after",
		Args: a.noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.hookTestCommand(), a.hookRunCommand())
	return command
}

func (a *App) hookTestCommand() *cobra.Command {
	o := &testOptions{}
	command := &cobra.Command{
		Use:   "test [FOLDER]...",
		Short: "Run the tests of hooks, with http and Kubernetes answered by the test",
		Long: `Run the tests of hooks: YAML files with "hook" and "cases". The script runs as it does
live, in a worker with its bounds; http and Kubernetes answer what the case says, the clock
stands still, and what was not foreseen fails. No network and no cluster is reached.`,
		Example: a.text(`  stargate hook test
  stargate hook test . --junit hooks.xml --run drained -v`),
		Args: atMost(8, "folders"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.hookTest(cmd.Context(), o, args) },
	}
	o.bind(a, command)
	return command
}

func (a *App) hookTest(ctx context.Context, o *testOptions, args []string) error {
	wanted, err := o.wanted()
	if err != nil {
		return err
	}
	pool := hooks.NewPool(hooks.Options{})
	defer pool.Close()
	test := authoring.NewHookTest()
	for _, arg := range orHere(args) {
		folder, files, err := a.filesOf(ctx, arg)
		if err != nil {
			return err
		}
		if err := test.Run(ctx, pool, folder, files, readBounded, wanted); err != nil {
			return err
		}
	}
	covered := 100
	for i := range test.Files {
		covered = min(covered, test.Files[i].Percent)
	}
	return a.endTest(o, test, test.JUnit, func() { a.showHookTest(test, o.verbose) }, verdictOfTests{ok: test.OK, ran: test.Passed + test.Failed, covered: covered})
}

func (a *App) showHookTest(test *authoring.HookTest, verbose bool) {
	a.showProblems(test.Problems)
	for i := range test.Files {
		file := &test.Files[i]
		for j := range file.Cases {
			c := &file.Cases[j]
			switch {
			case !c.Passed:
				a.say("%s   %s:%d   %s", a.style.Paint(render.Bad, "FAIL"), render.Clean(file.File), c.Line, render.Clean(c.Name))
				for _, line := range append(c.Failures, c.Log...) {
					a.say("       %s", render.Clean(line))
				}
			case verbose:
				a.say("%s     %s:%d   %s   %s, %.1f ms of %s each, %d MiB", a.style.Paint(render.Good, "ok"), render.Clean(file.File), c.Line, render.Clean(c.Name),
					render.Count(c.Runs, "run"), c.Milliseconds, c.Deadline, c.Memory>>20)
			}
		}
		if verbose && len(file.Missed) > 0 {
			a.say("%s   hook %s: lines %v of its script", a.style.Paint(render.Held, "unseen"), render.Clean(file.Hook), file.Missed)
		}
	}
	a.say("%d passed, %d failed", test.Passed, test.Failed)
}
