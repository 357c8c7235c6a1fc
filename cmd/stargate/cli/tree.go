package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/follow"
	"stargate.io/stargate/cmd/stargate/render"
)

// treeOptions are the flags of tree.
type treeOptions struct {
	target
	watch   bool
	timeout time.Duration
	output  string
}

func (a *App) treeCommand() *cobra.Command {
	options := &treeOptions{}
	command := &cobra.Command{
		Use:   "tree fleet|group|server NAME",
		Short: "Show what belongs to a fleet, a group or a server, in the order in which it goes",
		Long: `Show what belongs to a fleet, a group or a server: groups, their waves in order,
their servers with what is under way. Siblings in the same state fold into one line.
With --watch it is drawn anew until nothing more happens by itself; the exit code is
then that of rollout status.`,
		Example: a.text(`  stargate tree fleet prod
  stargate tree group web -n dc-west -w
  stargate tree server server-017 -n dc-west -o json`),
		ValidArgsFunction: a.completeTarget(fleetKind(), groupKind(), serverKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.check(args); err != nil {
				return err
			}
			if options.watch {
				return a.watchTree(cmd.Context(), options)
			}
			return a.tree(cmd.Context(), options)
		},
	}
	flags := command.Flags()
	flags.BoolVarP(&options.watch, "watch", "w", false, "Draw it anew until nothing more happens by itself")
	flags.DurationVar(&options.timeout, "timeout", 0, "How long to watch. Default: as long as it takes")
	a.outputFlag(command, &options.output, render.JSON, render.YAML)
	return command
}

func (o *treeOptions) check(args []string) error {
	found, err := parseTarget(args, fleetKind(), groupKind(), serverKind())
	if err != nil {
		return err
	}
	if _, err := found.oneName(); err != nil {
		return err
	}
	o.target = found
	switch {
	case o.timeout < 0:
		return usagef("--timeout cannot be below zero")
	case o.timeout > 0 && !o.watch:
		return usagef("--timeout goes with --watch")
	}
	return checkOutput(o.output, render.JSON, render.YAML)
}

func (o *treeOptions) name() string { return o.names[0] }

// forest is what trees are made of.
type forest struct {
	fleet   *v1alpha1.Fleet
	groups  []*v1alpha1.ServerGroup
	servers []*v1alpha1.Server
	// sites of the namespaces that are shown.
	sites []*v1alpha1.Datacenter
	// operations that are under way, as many as are looked at.
	operations map[string]*v1alpha1.Operation
}

// tree reads what belongs to one object, once.
func (a *App) tree(ctx context.Context, options *treeOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	root, _, err := a.grow(ctx, cluster, options)
	if err != nil {
		return err
	}
	if options.output != "" {
		return render.Structured(a.out, options.output, treeReport{render.HeaderOf("Tree"), root})
	}
	for _, line := range a.treeLines(root) {
		a.say("%s", line)
	}
	return nil
}

// treeReport is what `stargate tree -o json` prints.
type treeReport struct {
	render.Header
	Tree *node `json:"tree"`
}

// grow reads and builds a tree, and tells how its rollouts stand.
func (a *App) grow(ctx context.Context, c *cluster, options *treeOptions) (*node, *rolloutReport, error) {
	f, err := c.forest(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	report := &rolloutReport{}
	report.of = f.fleet
	for _, group := range f.groups {
		report.Groups = append(report.Groups, reportOf(group, nil, a.now()))
	}
	switch options.kind.singular {
	case "fleet":
		return f.ofFleet(a.now()), report, nil
	case "group":
		return f.ofGroup(f.groups[0], a.now()), report, nil
	}
	return f.ofServer(options.name(), a.now()), report, nil
}

func (c *cluster) forest(ctx context.Context, options *treeOptions) (*forest, error) {
	object, err := c.read(ctx, options.kind, options.name())
	if err != nil {
		return nil, err
	}
	f := &forest{operations: map[string]*v1alpha1.Operation{}}
	switch o := object.(type) {
	case *v1alpha1.Fleet:
		err = c.forestOfFleet(ctx, f, o)
	case *v1alpha1.ServerGroup:
		f.groups = []*v1alpha1.ServerGroup{o}
		err = c.addServers(ctx, f, o.Namespace, "")
	case *v1alpha1.Server:
		f.servers = []*v1alpha1.Server{o}
		err = c.addGroupsOf(ctx, f, o)
	}
	if err != nil {
		return nil, err
	}
	return f, c.addOperations(ctx, f)
}

func (c *cluster) forestOfFleet(ctx context.Context, f *forest, fleet *v1alpha1.Fleet) error {
	f.fleet = fleet
	ours := v1alpha1.LabelFleet + "=" + fleet.Name
	groups, err := c.all(ctx, &v1alpha1.ServerGroupList{}, "", ours)
	if err != nil {
		return err
	}
	f.groups = groupsOf(groups)
	sites, err := c.all(ctx, &v1alpha1.DatacenterList{}, "", ours)
	if err != nil {
		return err
	}
	for _, site := range sites {
		f.sites = append(f.sites, asDatacenter(site))
	}
	return c.addServers(ctx, f, "", ours)
}

func (c *cluster) addServers(ctx context.Context, f *forest, namespace, selector string) error {
	objects, err := c.all(ctx, &v1alpha1.ServerList{}, namespace, selector)
	f.servers = append(f.servers, servers(objects)...)
	return err
}

// addGroupsOf finds the groups that select a server, and the site that reaches it.
func (c *cluster) addGroupsOf(ctx context.Context, f *forest, server *v1alpha1.Server) error {
	groups, err := c.all(ctx, &v1alpha1.ServerGroupList{}, server.Namespace, "")
	if err != nil {
		return err
	}
	for _, group := range groupsOf(groups) {
		if selects(group, server) {
			f.groups = append(f.groups, group)
		}
	}
	sites, err := c.all(ctx, &v1alpha1.DatacenterList{}, server.Namespace, "")
	if err != nil {
		return err
	}
	if site, _ := siteOf(server, sites); site != nil {
		f.sites = []*v1alpha1.Datacenter{site}
	}
	return nil
}

// mostOperations that a tree asks for one by one; what is beyond is shown by its server's state.
const mostOperations = 50

func (c *cluster) addOperations(ctx context.Context, f *forest) error {
	wanted := map[string]client.ObjectKey{}
	for _, server := range f.servers {
		if active := server.Status.ActiveOperation; active != nil && len(wanted) < mostOperations {
			wanted[server.Namespace+"/"+active.Name] = client.ObjectKey{Namespace: server.Namespace, Name: active.Name}
		}
	}
	for _, group := range f.groups {
		for _, slot := range group.Status.InFlight {
			if len(wanted) < mostOperations {
				wanted[group.Namespace+"/"+slot.Operation] = client.ObjectKey{Namespace: group.Namespace, Name: slot.Operation}
			}
		}
	}
	for name, each := range wanted {
		op := &v1alpha1.Operation{}
		err := c.Get(ctx, each, op)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Operation %s: %w", name, err)
		}
		if err == nil {
			f.operations[name] = op
		}
	}
	return nil
}

// watchTree draws a tree anew whenever a group or the fleet changes, and now and then.
func (a *App) watchTree(ctx context.Context, options *treeOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	if _, err := cluster.read(ctx, options.kind, options.name()); err != nil {
		return err
	}
	if options.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, options.timeout)
		defer cancel()
	}
	paint := &treePainter{app: a, output: options.output}
	if options.output == "" && a.style.Terminal {
		paint.screen = render.NewScreen(a.out, a.style)
	}
	report := &rolloutReport{}
	err = a.follow(ctx, cluster, cluster.treeSelections(options), func(*live) (bool, error) {
		root, rollouts, err := a.grow(ctx, cluster, options)
		if err != nil {
			return true, err
		}
		report = rollouts
		return treeEnded(root, report), paint.draw(root)
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || err == nil {
		return a.rolloutEnd(err, report, &rolloutOptions{timeout: options.timeout})
	}
	return err
}

// treeEnded tells whether nothing more happens by itself.
func treeEnded(root *node, report *rolloutReport) bool {
	if root.Kind == "Server" && root.busy {
		return false
	}
	return report.ended()
}

func (c *cluster) treeSelections(options *treeOptions) []follow.Selection {
	one := follow.Selection{List: options.kind.list(), Object: options.kind.object(), Namespace: c.namespace, Name: options.name()}
	groups := follow.Selection{List: &v1alpha1.ServerGroupList{}, Object: &v1alpha1.ServerGroup{}}
	switch options.kind.singular {
	case "fleet":
		one.Namespace = ""
		groups.Selector = v1alpha1.LabelFleet + "=" + options.name()
		return []follow.Selection{one, groups}
	case "server":
		groups.Namespace = c.namespace
		return []follow.Selection{one, groups}
	}
	return []follow.Selection{one}
}

// treePainter shows a tree again and again: on a screen, whole after each change, or to a program.
type treePainter struct {
	app    *App
	output string
	screen *render.Screen
	last   string
}

func (p *treePainter) draw(root *node) error {
	if p.output != "" {
		var text strings.Builder
		if err := render.Stream(&text, p.output, treeReport{render.HeaderOf("Tree"), root}); err != nil {
			return fmt.Errorf("writing a tree: %w", err)
		}
		return p.once(text.String())
	}
	lines := p.app.treeLines(root)
	if p.screen == nil {
		return p.once(strings.Join(lines, "\n") + "\n\n")
	}
	width, _ := p.screen.Size()
	for i := range lines {
		lines[i] = cutPainted(lines[i], width)
	}
	return p.screen.Draw(lines)
}

// once writes what was not written last.
func (p *treePainter) once(text string) error {
	if text == p.last {
		return nil
	}
	p.last = text
	_, err := fmt.Fprint(p.app.out, text)
	return err
}
