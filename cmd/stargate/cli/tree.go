package cli

import (
	"context"
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

// treeReport is what `stargate tree -o json` prints.
type treeReport struct {
	render.Header
	Tree *node `json:"tree"`
}

// tree reads what belongs to one object, once.
func (a *App) tree(ctx context.Context, options *treeOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	if _, err := cluster.read(ctx, options.kind, options.name()); err != nil {
		return err
	}
	var objects []client.Object
	for _, each := range cluster.treeSelections(options) {
		some, err := cluster.selection(ctx, each)
		if err != nil {
			return err
		}
		objects = append(objects, some...)
	}
	root, _, err := a.grow(ctx, cluster, options, objects)
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

// treeSelections are all objects that a tree is made of, but for Operations.
func (c *cluster) treeSelections(options *treeOptions) []follow.Selection {
	fleets := follow.Selection{List: &v1alpha1.FleetList{}, Object: &v1alpha1.Fleet{}}
	groups := follow.Selection{List: &v1alpha1.ServerGroupList{}, Object: &v1alpha1.ServerGroup{}, Namespace: c.namespace}
	servers := follow.Selection{List: &v1alpha1.ServerList{}, Object: &v1alpha1.Server{}, Namespace: c.namespace}
	sites := follow.Selection{List: &v1alpha1.DatacenterList{}, Object: &v1alpha1.Datacenter{}, Namespace: c.namespace}
	switch options.kind.singular {
	case "fleet":
		fleets.Name = options.name()
		for _, each := range []*follow.Selection{&groups, &servers, &sites} {
			each.Namespace, each.Selector = "", v1alpha1.LabelFleet+"="+options.name()
		}
		return []follow.Selection{fleets, groups, servers, sites}
	case "group":
		groups.Name = options.name()
		return []follow.Selection{groups, servers}
	}
	servers.Name = options.name()
	return []follow.Selection{servers, groups, sites}
}

// selection reads what a selection means, once.
func (c *cluster) selection(ctx context.Context, from follow.Selection) ([]client.Object, error) {
	if from.Name == "" {
		return c.all(ctx, from.List, from.Namespace, from.Selector)
	}
	object, _ := from.Object.DeepCopyObject().(client.Object)
	if err := c.Get(ctx, client.ObjectKey{Namespace: from.Namespace, Name: from.Name}, object); err != nil {
		return nil, fmt.Errorf("reading %s: %w", from.Name, err)
	}
	return []client.Object{object}, nil
}

// grow builds a tree of objects, and tells how their rollouts stand.
func (a *App) grow(ctx context.Context, c *cluster, options *treeOptions, objects []client.Object) (*node, *rolloutReport, error) {
	f := forestOf(objects)
	if options.kind.is("server") && len(f.servers) > 0 {
		f.keepOf(f.servers[0])
	}
	if err := c.addOperations(ctx, f); err != nil {
		return nil, nil, err
	}
	report := &rolloutReport{of: f.fleet}
	for _, group := range f.groups {
		report.Groups = append(report.Groups, reportOf(group, nil, a.now()))
	}
	switch {
	case options.kind.is("fleet") && f.fleet != nil:
		return f.ofFleet(), report, nil
	case options.kind.is("group") && len(f.groups) == 1:
		return f.ofGroup(f.groups[0]), report, nil
	case options.kind.is("server") && len(f.servers) == 1:
		return f.ofServer(a.now()), report, nil
	}
	return nil, nil, failf("%s %s was deleted", options.kind.title, options.name())
}

// forestOf sorts objects by what they are.
func forestOf(objects []client.Object) *forest {
	f := &forest{operations: map[string]*v1alpha1.Operation{}}
	for _, object := range objects {
		switch o := object.(type) {
		case *v1alpha1.Fleet:
			f.fleet = o
		case *v1alpha1.ServerGroup:
			f.groups = append(f.groups, o)
		case *v1alpha1.Server:
			f.servers = append(f.servers, o)
		case *v1alpha1.Datacenter:
			f.sites = append(f.sites, o)
		case *v1alpha1.Operation:
			f.operations[o.Namespace+"/"+o.Name] = o
		}
	}
	slices.SortFunc(f.groups, byPlace)
	slices.SortFunc(f.servers, byPlace)
	slices.SortFunc(f.sites, byPlace)
	return f
}

// keepOf leaves the groups that select a server, and the site that reaches it.
func (f *forest) keepOf(server *v1alpha1.Server) {
	f.groups = slices.DeleteFunc(f.groups, func(group *v1alpha1.ServerGroup) bool { return !selects(group, server) })
	sites := make([]client.Object, 0, len(f.sites))
	for _, site := range f.sites {
		sites = append(sites, site)
	}
	f.sites = nil
	if site, _ := siteOf(server, sites); site != nil {
		f.sites = []*v1alpha1.Datacenter{site}
	}
}

// addOperations reads those that are under way, as many as one look may ask for.
func (c *cluster) addOperations(ctx context.Context, f *forest) error {
	wanted := map[client.ObjectKey]bool{}
	want := func(namespace, name string) {
		if len(wanted) < mostOperations {
			wanted[client.ObjectKey{Namespace: namespace, Name: name}] = true
		}
	}
	shown := map[string]bool{}
	for _, server := range f.servers {
		shown[server.Namespace+"/"+server.Name] = true
		if active := server.Status.ActiveOperation; active != nil {
			want(server.Namespace, active.Name)
		}
	}
	for _, group := range f.groups {
		for _, slot := range group.Status.InFlight {
			if shown[group.Namespace+"/"+slot.Server] {
				want(group.Namespace, slot.Operation)
			}
		}
	}
	for key := range wanted {
		op := &v1alpha1.Operation{}
		err := c.Get(ctx, key, op)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Operation %s: %w", key.Name, err)
		}
		if err == nil {
			f.operations[key.Namespace+"/"+key.Name] = op
		}
	}
	return nil
}

// watchTree draws a tree anew whenever something in it changes, and now and then.
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
	err = a.follow(ctx, cluster, cluster.treeSelections(options), func(l *live) (bool, error) {
		var objects []client.Object
		for i := range l.objects {
			objects = append(objects, l.all(i)...)
		}
		root, rollouts, err := a.grow(ctx, cluster, options, objects)
		if err != nil {
			return true, err
		}
		report = rollouts
		return treeEnded(root, report), paint.draw(root)
	})
	return a.rolloutEnd(err, report, &rolloutOptions{timeout: options.timeout})
}

// treeEnded tells whether nothing more happens by itself.
func treeEnded(root *node, report *rolloutReport) bool {
	if root.Kind == "Server" && root.busy {
		return false
	}
	return report.ended()
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
