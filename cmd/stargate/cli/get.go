package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/cmd/stargate/render"
)

// lookOptions are the flags of get and watch.
type lookOptions struct {
	output    string
	all       bool
	selector  string
	watch     bool
	untilDone bool
	waitOptions
}

var lookFormats = []string{render.Wide, render.JSON, render.YAML, render.Name}

func (a *App) getCommand() *cobra.Command {
	options := &lookOptions{}
	command := &cobra.Command{
		Use:   "get operations|servers|groups|fleets|datacenters|profiles [NAME...]",
		Short: "List operations, servers, groups, fleets, datacenters or profiles",
		Example: a.text(`  stargate get operations -n dc-west
  stargate get servers -A -o wide
  stargate get groups -A
  stargate get op/repave-server-001-x7k2p -n dc-west -o json`),
		ValidArgsFunction: a.completeTarget(kinds()...),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := options.target(args)
			if err != nil {
				return err
			}
			if options.watch || options.untilDone {
				return a.watch(cmd.Context(), found, options)
			}
			return a.get(cmd.Context(), found, options)
		},
	}
	options.bind(a, command)
	command.Flags().BoolVarP(&options.watch, "watch", "w", false, "Go on with every change, as watch does")
	return command
}

func (o *lookOptions) bind(a *App, command *cobra.Command) {
	flags := command.Flags()
	a.outputFlag(command, &o.output, lookFormats...)
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "Look into all namespaces")
	flags.StringVarP(&o.selector, "selector", "l", "", "Only those with these labels, for example rack=r07")
	flags.BoolVar(&o.untilDone, "until-done", false, "Watch until all Operations have ended; the exit code tells how")
	flags.DurationVar(&o.timeout, "timeout", 0, "How long to watch. Default: as long as it takes")
}

// target reads which kind and which names are meant.
func (o *lookOptions) target(args []string) (target, error) {
	found, err := parseTarget(args, kinds()...)
	if err != nil {
		return found, err
	}
	switch {
	case o.all && len(found.names) > 0:
		return found, usagef("a name is looked for in one namespace: leave out -A")
	case o.selector != "" && len(found.names) > 0:
		return found, usagef("say names or -l, not both")
	case o.untilDone && found.kind.ended == nil:
		return found, usagef("--until-done is for operations: a %s has no end", found.kind.singular)
	case o.timeout < 0:
		return found, usagef("--timeout cannot be below zero")
	case o.timeout > 0 && !o.untilDone && !o.watch:
		return found, usagef("--timeout goes with --watch or --until-done")
	}
	return found, checkOutput(o.output, lookFormats...)
}

func (a *App) get(ctx context.Context, found target, options *lookOptions) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	objects, err := cluster.selected(ctx, found, options)
	if err != nil {
		return err
	}
	if structured(options.output) || options.output == render.Name {
		return a.printObjects(options.output, found.kind, len(found.names) == 1, objects...)
	}
	if len(objects) == 0 {
		where := ""
		if !options.all {
			where = found.kind.in(cluster.namespace)
		}
		a.note("There are no %ss%s", found.kind.title, where)
		return nil
	}
	v := view{now: a.now(), wide: options.output == render.Wide, style: a.style}
	return table(found.kind, objects, v, options.all && !found.kind.cluster).Write(a.out, a.style)
}

// selected reads what is meant, in a stable order.
func (c *cluster) selected(ctx context.Context, found target, options *lookOptions) ([]client.Object, error) {
	if len(found.names) > 0 {
		var objects []client.Object
		for _, name := range found.names {
			object, err := c.read(ctx, found.kind, name)
			if err != nil {
				return nil, err
			}
			objects = append(objects, object)
		}
		return objects, nil
	}
	namespace := c.namespace
	if options.all {
		namespace = ""
	}
	return c.all(ctx, found.kind.list(), namespace, options.selector)
}

// table lays objects out in the columns of their kind.
func table(k kind, objects []client.Object, v view, namespaces bool) render.Table {
	header := slices.Clone(k.header)
	if v.wide {
		header = append(header, k.wide...)
	}
	if namespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	laid := render.Table{Header: header}
	for _, object := range objects {
		row := k.row(object, v)
		if namespaces {
			row = append([]render.Cell{render.Text(object.GetNamespace())}, row...)
		}
		laid.Rows = append(laid.Rows, row)
	}
	return laid
}

// byName orders objects as the API server lists them.
func byName(a, b client.Object) int {
	return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
}
