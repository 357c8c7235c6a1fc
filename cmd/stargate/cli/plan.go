package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/config"
	"stargate.io/stargate/gitsync/tree"
)

const (
	// exitDiffers is what plan and diff end with under --exit-code where something differs.
	exitDiffers = 2
	// markdown is a format of -o: a comment on a pull request.
	markdown = "markdown"
)

// planOptions are the flags of plan and diff.
type planOptions struct {
	dir      string
	path     string
	fleet    string
	snapshot string
	at       string
	output   string
	exitCode bool
}

func (o *planOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.dir, "dir", "", "Read this folder as it is, in place of the clone that you are in")
	flags.StringVar(&o.path, "path", "", "Folder in the repository below which the fleet is. Default: spec.path of the Fleet; with --dir, the folder itself")
	flags.StringVar(&o.fleet, "fleet", "", "Fleet that the commit is of. Default: the only one")
	flags.StringVar(&o.snapshot, "snapshot", "", "Compare with this file, written by snapshot, in place of a cluster; - is standard input")
	flags.BoolVar(&o.exitCode, "exit-code", false, "End with 2 where something differs, and 3 where the guard would hold it")
}

const sourcesHelp = `What is read is the working copy of the clone that you are in, files that are not
committed included; or a revision of it (branch, tag, commit); or a range A..B: then
A is taken to be applied already, and what B adds to it is told.`

func (a *App) planCommand() *cobra.Command {
	o := &planOptions{}
	command := &cobra.Command{
		Use:   "plan [REVISION | REVISION..REVISION]",
		Short: "Tell what a commit would do before it is merged: what changes, which servers are repaved, when",
		Long: a.text(`Tell what a commit of a fleet's repository would do: what is added, changed and
pruned; which servers would be repaved and why; wave by wave, when that would begin
and be done; what would hold it, and what the guard would say. The times come from the
planner that runs live, on a virtual clock, with how long past repaves took.

` + sourcesHelp + `

Exit codes beyond the usual, with --exit-code: 2 something differs, 3 it would be held.
What is wrong with the commit is listed with file and line, and ends with 1.`),
		Example: a.text(`  stargate plan
  stargate plan origin/main..HEAD
  stargate plan --at "sat 03:00" my-branch
  stargate plan --snapshot fleet.json --dir . -o markdown > comment.md`),
		Args: atMost(1, "no more than one revision or range"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(o.output, render.JSON, render.YAML, markdown); err != nil {
				return err
			}
			report, err := a.reportOn(cmd.Context(), o, args, true)
			if err != nil {
				return err
			}
			if err := a.showForecast(report, o.output); err != nil {
				return err
			}
			return exitWith(o.codeFor(report))
		},
	}
	o.bind(command.Flags())
	command.Flags().StringVar(&o.at, "at", "", `When the commit would be applied: "sat 03:00", "22:00", "2026-05-01 06:00", 2h from now, or RFC 3339. Default: now`)
	a.outputFlag(command, &o.output, render.JSON, render.YAML, markdown)
	return command
}

// atMost checks how many arguments there are.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("expected %s, got %s", what, render.Count(len(args), "argument"))
		}
		return nil
	}
}

// codeFor is what a plan ends with.
func (o *planOptions) codeFor(report *planning.Report) int {
	switch {
	case len(report.Objects.Refused) > 0:
		return exitFailed
	case !o.exitCode:
		return exitFine
	case !report.Guard.Allowed || report.Summary.Denied > 0:
		return exitHeld
	case report.Differs:
		return exitDiffers
	}
	return exitFine
}

func (a *App) showForecast(report *planning.Report, output string) error {
	switch output {
	case markdown:
		return report.Markdown(a.out)
	case "":
		return report.Text(a.out, a.style)
	}
	return render.Structured(a.out, output, report)
}

// reportOn reads what is meant and what lives, and tells what would follow.
func (a *App) reportOn(ctx context.Context, o *planOptions, args []string, forecast bool) (*planning.Report, error) {
	now := a.now()
	at, err := planTime(o.at, now)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && o.dir != "" {
		return nil, usagef("a revision and --dir say two things: leave one out")
	}
	world, err := a.world(ctx, o.snapshot, now)
	if err != nil {
		return nil, err
	}
	fleet, lives, err := planning.FleetOf(world, o.fleet)
	if err != nil {
		return nil, usagef("%v", err)
	}
	if !lives {
		a.note("There is no Fleet %s yet: it is taken to have the default guard and to prune nothing", render.Clean(o.fleet))
	}
	wish := planning.Wish{Dir: o.dir, From: ".", Path: o.path}
	if wish.Path == "" && o.dir == "" {
		wish.Path = fleet.Spec.Path
	}
	if len(args) > 0 {
		wish.Rev = args[0]
	}
	read, err := wish.Get(ctx)
	if err != nil {
		return nil, err
	}
	schemas, err := schemasOfKinds()
	if err != nil {
		return nil, err
	}
	return a.planned(planning.Options{
		World: world, Read: read, Fleet: fleet, At: at, Schemas: schemas, ForbidNamespaces: []string{config.SystemNamespace}, Forecast: forecast,
	})
}

// planned makes the report, with a word now and then where a person waits for it.
func (a *App) planned(options planning.Options) (*planning.Report, error) {
	said := false
	if a.notes.Terminal {
		options.Progress = func(ended int) {
			said = true
			_, _ = fmt.Fprintf(a.err, "\rforecast: %s on the virtual clock", render.Count(ended, "repave"))
		}
	}
	report, err := planning.Plan(options)
	if said {
		_, _ = fmt.Fprint(a.err, "\r\x1b[K")
	}
	var problems *planning.Problems
	if errors.As(err, &problems) {
		return nil, a.tellProblems(problems)
	}
	return report, err
}

// tellProblems lists what is wrong with a commit, each on a line that begins with file and line.
func (a *App) tellProblems(problems *planning.Problems) error {
	for _, problem := range problems.List {
		a.note("%s", render.Clean(problem.String()))
	}
	return failf("%s has %s, and nothing of it would be applied", problems.Revision, render.Count(len(problems.List), "problem"))
}

// world is what lives: in a snapshot, or in the cluster.
func (a *App) world(ctx context.Context, snapshot string, now time.Time) (*planning.World, error) {
	switch snapshot {
	case "":
		return a.gather(ctx, now)
	case "-":
		return planning.Load(a.in)
	}
	file, err := os.Open(snapshot) //nolint:gosec // the person names it
	if err != nil {
		return nil, fmt.Errorf("opening the snapshot: %w", err)
	}
	defer func() { _ = file.Close() }()
	return planning.Load(file)
}

// schemasOfKinds are those that this binary installs.
func schemasOfKinds() (*tree.Schemas, error) {
	kinds, err := config.CRDs()
	if err != nil {
		return nil, err
	}
	crds := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(kinds))
	for _, kind := range kinds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(kind.Object, crd); err != nil {
			return nil, fmt.Errorf("reading CustomResourceDefinition %s: %w", kind.GetName(), err)
		}
		crds = append(crds, crd)
	}
	return tree.Compile(crds)
}

// planTime reads when a plan begins: what --until takes elsewhere, and a day of the week with a time.
func planTime(text string, now time.Time) (time.Time, error) {
	now = now.Truncate(time.Second)
	if text == "" {
		return now, nil
	}
	if day, clock, ok := strings.Cut(strings.TrimSpace(text), " "); ok && len(day) >= 3 {
		for weekday := time.Sunday; weekday <= time.Saturday; weekday++ {
			if strings.EqualFold(weekday.String(), day) || strings.EqualFold(weekday.String()[:3], day) {
				return nextAt(weekday, clock, now)
			}
		}
	}
	at, err := readTime(text, now)
	if err != nil {
		return at, usagef(`--at: expected "sat 03:00", a time such as 22:00 or "2026-05-01 06:00", a duration such as 2h, or RFC 3339, got %q`, render.Clean(text))
	}
	return at, nil
}

// nextAt is the next such day at such a time.
func nextAt(weekday time.Weekday, clock string, now time.Time) (time.Time, error) {
	at, err := time.Parse("15:04", strings.TrimSpace(clock))
	if err != nil {
		return time.Time{}, usagef("--at: expected a time such as 03:00 after the day, got %q", render.Clean(clock))
	}
	year, month, day := now.Date()
	for ahead := 0; ; ahead++ {
		next := time.Date(year, month, day+ahead, at.Hour(), at.Minute(), 0, 0, now.Location())
		if next.Weekday() == weekday && next.After(now) {
			return next, nil
		}
	}
}
