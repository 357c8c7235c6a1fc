package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/follow"
	"stargate.io/stargate/cmd/stargate/render"
)

func (a *App) rolloutCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "rollout", Short: "See and steer how a group's servers get what they should have",
		Args: a.noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.rolloutStatusCommand(), a.rolloutPauseCommand(), a.rolloutResumeCommand(),
		a.rolloutApproveCommand(), a.rolloutHistoryCommand())
	return command
}

// rolloutOptions are the flags of rollout status.
type rolloutOptions struct {
	fleet   string
	watch   bool
	timeout time.Duration
	output  string
	names   []string
}

func (a *App) rolloutStatusCommand() *cobra.Command {
	options := &rolloutOptions{}
	command := &cobra.Command{
		Use:   "status GROUP... | --fleet FLEET",
		Short: "Show a rollout wave by wave: what runs, what holds it until when, what failed",
		Long: `Show a rollout wave by wave: what runs, what holds it until when, what failed. With
--watch it ends when the rollout does, and the exit code says how: 0 every server
has it, 1 it stopped or servers failed, 3 it waits for a person, 4 the time was up.`,
		Example: a.text(`  stargate rollout status web -n dc-west
  stargate rollout status --fleet prod --watch --timeout 4h`),
		ValidArgsFunction: a.completeNames(groupKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.check(args); err != nil {
				return err
			}
			if options.watch {
				return a.watchRollout(cmd.Context(), options)
			}
			return a.showRollout(cmd.Context(), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.fleet, "fleet", "", "All groups of this fleet, in all namespaces")
	flags.BoolVarP(&options.watch, "watch", "w", false, "Follow it to its end")
	flags.DurationVar(&options.timeout, "timeout", 0, "How long to watch. Default: as long as it takes")
	a.outputFlag(command, &options.output, render.JSON, render.YAML)
	// The flag was added above.
	_ = command.RegisterFlagCompletionFunc("fleet", a.completeNames(fleetKind()))
	return command
}

func (o *rolloutOptions) check(args []string) error {
	switch {
	case o.fleet == "" && len(args) == 0:
		return usagef("expected the name of a group, or --fleet")
	case o.fleet != "" && len(args) > 0:
		return usagef("say groups or --fleet, not both")
	case o.timeout < 0:
		return usagef("--timeout cannot be below zero")
	case o.timeout > 0 && !o.watch:
		return usagef("--timeout goes with --watch")
	}
	for _, arg := range args {
		name, err := oneNamed([]string{arg}, groupKind())
		if err != nil {
			return err
		}
		o.names = append(o.names, name)
	}
	return checkOutput(o.output, render.JSON, render.YAML)
}

func (o *rolloutOptions) selector() string {
	if o.fleet == "" {
		return ""
	}
	return v1alpha1.LabelFleet + "=" + o.fleet
}

// groups reads what is meant.
func (c *cluster) groups(ctx context.Context, options *rolloutOptions) ([]*v1alpha1.ServerGroup, error) {
	var groups []*v1alpha1.ServerGroup
	for _, name := range options.names {
		object, err := c.read(ctx, groupKind(), name)
		if err != nil {
			return nil, err
		}
		groups = append(groups, asGroup(object))
	}
	if options.fleet == "" {
		return groups, nil
	}
	if _, err := c.read(ctx, fleetKind(), options.fleet); err != nil {
		return nil, err
	}
	objects, err := c.all(ctx, &v1alpha1.ServerGroupList{}, "", options.selector())
	return groupsOf(objects), err
}

func groupsOf(objects []client.Object) []*v1alpha1.ServerGroup {
	groups := make([]*v1alpha1.ServerGroup, 0, len(objects))
	for _, object := range objects {
		groups = append(groups, asGroup(object))
	}
	slices.SortFunc(groups, byPlace)
	return groups
}

// rolloutReport looks at the groups, and, where room is not zero, at so many of the Operations that
// they have under way.
func (a *App) rolloutReport(ctx context.Context, c *cluster, fleet string, groups []*v1alpha1.ServerGroup, room int) *rolloutReport {
	report := &rolloutReport{Header: render.HeaderOf("RolloutStatus"), Fleet: fleet, Groups: []groupRollout{}}
	for _, group := range groups {
		operations := c.operations(ctx, group, room)
		room -= len(operations)
		report.Groups = append(report.Groups, reportOf(group, operations, a.now()))
	}
	return report
}

func (a *App) showRollout(ctx context.Context, options *rolloutOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	groups, err := cluster.groups(ctx, options)
	if err != nil {
		return err
	}
	report := a.rolloutReport(ctx, cluster, options.fleet, groups, mostOperations)
	if options.output != "" {
		return render.Structured(a.out, options.output, report)
	}
	if len(groups) == 0 {
		a.note("Fleet %s has no ServerGroups; see: %s fleet status %s", options.fleet, a.name, options.fleet)
		return nil
	}
	for _, line := range a.rolloutLines(report) {
		a.say("%s", line)
	}
	return nil
}

// watchRollout follows groups until all of their rollouts ended.
func (a *App) watchRollout(ctx context.Context, options *rolloutOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	// Names that are not there are told at once, and not waited for.
	if _, err := cluster.groups(ctx, options); err != nil {
		return err
	}
	if options.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, options.timeout)
		defer cancel()
	}
	report := &rolloutReport{}
	paint := a.rolloutPainter(options.output)
	room := mostOperations
	if _, inLines := paint.(*rolloutLog); inLines {
		room = 0 // which says nothing of single Operations
	}
	err = a.follow(ctx, cluster, cluster.rolloutSelections(options), func(l *live) (bool, error) {
		groups, fleet := watched(l)
		if len(groups) < len(options.names) {
			return true, failf("a group was deleted while its rollout was watched")
		}
		report = a.rolloutReport(ctx, cluster, options.fleet, groups, room)
		report.of = fleet
		return report.ended(), paint.draw(report)
	})
	if err := paint.close(); err != nil {
		return err
	}
	return a.rolloutEnd(err, report, options)
}

// watched are the groups among what is followed, and the fleet that was asked for, if one was.
func watched(l *live) (groups []*v1alpha1.ServerGroup, fleet *v1alpha1.Fleet) {
	for i := range l.objects {
		for _, object := range l.all(i) {
			switch o := object.(type) {
			case *v1alpha1.ServerGroup:
				groups = append(groups, o)
			case *v1alpha1.Fleet:
				fleet = o
			}
		}
	}
	slices.SortFunc(groups, byPlace)
	return groups, fleet
}

// rolloutEnd turns how the watching ended into a code.
func (a *App) rolloutEnd(err error, report *rolloutReport, options *rolloutOptions) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		a.note("After %s the rollout has not ended. It goes on by itself", options.timeout)
		return exitWith(exitTimedOut)
	case errors.Is(err, context.Canceled):
		return exitWith(exitFailed)
	case err != nil:
		return err
	}
	if report.of != nil {
		a.noteFleet(report.of)
	}
	return exitWith(report.code())
}

// noteFleet says what of a fleet its groups do not show.
func (a *App) noteFleet(fleet *v1alpha1.Fleet) {
	switch {
	case fleet.Spec.Suspend:
		a.note("Fleet %s is %s. To resume it: %s fleet resume %s --reason …", fleet.Name, render.Clean(suspension(fleet)), a.name, fleet.Name)
	case pendingNow(fleet):
		a.note("Fleet %s: commit %s waits for an approval: %s. To let it pass: %s approve fleet %s --reason …", fleet.Name,
			shortCommit(fleet.Status.Pending.Commit), render.Clean(fleet.Status.Pending.Message), a.name, fleet.Name)
	case len(fleet.Status.Errors) > 0:
		a.note("Fleet %s: %s is refused, and the last good commit stays applied. To see why: %s fleet status %s", fleet.Name,
			shortRevision(fleet.Status.LastAttemptedRevision), a.name, fleet.Name)
	}
}

func (c *cluster) rolloutSelections(options *rolloutOptions) []follow.Selection {
	if options.fleet != "" {
		return []follow.Selection{
			{List: &v1alpha1.ServerGroupList{}, Object: &v1alpha1.ServerGroup{}, Selector: options.selector()},
			{List: &v1alpha1.FleetList{}, Object: &v1alpha1.Fleet{}, Name: options.fleet},
		}
	}
	var selections []follow.Selection
	for _, name := range options.names {
		selections = append(selections, follow.Selection{
			List: &v1alpha1.ServerGroupList{}, Object: &v1alpha1.ServerGroup{}, Namespace: c.namespace, Name: name})
	}
	return selections
}

// rolloutPainter shows a report again and again: on a screen, as lines, or to a program.
type rolloutPainter interface {
	draw(report *rolloutReport) error
	close() error
}

func (a *App) rolloutPainter(output string) rolloutPainter {
	switch {
	case output != "":
		return &rolloutStream{app: a, output: output}
	case a.style.Terminal:
		return &rolloutScreen{app: a, screen: render.NewScreen(a.out, a.style)}
	}
	return &rolloutLog{app: a, last: map[string]string{}}
}

// rolloutScreen draws the whole of it anew.
type rolloutScreen struct {
	app    *App
	screen *render.Screen
}

func (p *rolloutScreen) draw(report *rolloutReport) error {
	width, _ := p.screen.Size()
	lines := p.app.rolloutLines(report)
	for i := range lines {
		lines[i] = cutPainted(lines[i], width)
	}
	return p.screen.Draw(lines)
}

func (p *rolloutScreen) close() error { return nil }

// rolloutStream writes each state that differs for a program.
type rolloutStream struct {
	app    *App
	output string
	last   string
}

func (p *rolloutStream) draw(report *rolloutReport) error {
	var text strings.Builder
	if err := render.Stream(&text, p.output, report); err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	if text.String() == p.last {
		return nil
	}
	p.last = text.String()
	_, err := fmt.Fprint(p.app.out, p.last)
	return err
}

func (p *rolloutStream) close() error { return nil }

// rolloutLog writes a line per change, and a heartbeat.
type rolloutLog struct {
	app  *App
	last map[string]string
	said time.Time
	end  []string
}

func (p *rolloutLog) draw(report *rolloutReport) error {
	now := p.app.now()
	alive := now.Sub(p.said) >= heartbeat
	for i := range report.Groups {
		g := &report.Groups[i]
		name, text := g.Namespace+"/"+g.Name, groupChange(g.group, view{})
		if g.State == rolloutHeld || g.State == rolloutAwaits {
			text += p.holds(g)
		}
		if p.last[name] == text && !alive {
			continue
		}
		p.last[name], p.said = text, now
		p.app.say("%s %s %s", now.UTC().Format(time.RFC3339), name, render.Clean(text))
	}
	p.end = nil
	if report.ended() {
		p.end = p.app.rolloutLines(report)
	}
	return nil
}

func (p *rolloutLog) holds(g *groupRollout) string {
	if len(g.Held) == 0 {
		return ""
	}
	text := " (" + g.Held[0].Message
	if g.Held[0].Until != nil {
		text += ", until " + g.Held[0].Until.UTC().Format(time.RFC3339)
	}
	return text + ")"
}

// close says how it ended, in full.
func (p *rolloutLog) close() error {
	for _, line := range p.end {
		p.app.say("%s", line)
	}
	return nil
}
