package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/explain"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	profile, at, snapshot, output string
	priority                      int32
	verbose                       bool
}

func (o *explainOptions) bind(a *App, command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.at, "at", "", `Explain as if it were then: "sat 03:00", 22:00, "2026-05-01 06:00", 2h from now, or RFC 3339. Default: now`)
	flags.StringVar(&o.snapshot, "snapshot", "", "Look at this file, written by snapshot, in place of a cluster; - is standard input")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "Show what each rule saw: variables, questions about the fleet, parts of the expression")
	a.outputFlag(command, &o.output, render.JSON, render.YAML)
}

func (a *App) explainCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "explain operation NAME | explain ACTION SERVER",
		Short: "Tell why an Operation waits, or whether one would: every gate, and what clears it",
		Long: a.text(`Tell what an Operation must pass, in the order in which it is asked: the server, its
datacenter, the rollout that made it, each policy, and the hooks that run then. Of what
holds it: what was observed and what is allowed, until when where a clock decides, what
clears it, and the command that would change it.

With an action and a server it is told of an Operation that does not exist yet.
The answers come from the code that the controller runs, asked about what lives now.

Exit codes: 0 nothing holds it, or it runs or ended well; 1 it failed; 3 it is held or denied.`),
		Example: a.text(`  stargate explain operation repave-server-0103 -n dc-west
  stargate explain repave server-0103 -n dc-west --profile web --at "sat 03:00"
  stargate explain reboot server-0103 --snapshot fleet.json -o json`),
		Args: a.noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.explainOperationCommand())
	for _, each := range actions() {
		command.AddCommand(a.explainActionCommand(each))
	}
	return command
}

func (a *App) explainOperationCommand() *cobra.Command {
	o := &explainOptions{}
	command := &cobra.Command{
		Use: "operation NAME", Aliases: operationKind().aliases, Short: "Tell why an Operation waits, or what became of it",
		Example:           a.text("  stargate explain operation repave-server-0103 -n dc-west"),
		Args:              exactly(1, "the name of one Operation"),
		ValidArgsFunction: a.completeNames(operationKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.explain(cmd.Context(), o, func(world *planning.World) (*v1alpha1.Operation, error) {
				return a.operationIn(cmd.Context(), o, world, args[0])
			})
		},
	}
	o.bind(a, command)
	return command
}

func (a *App) explainActionCommand(verb action) *cobra.Command {
	o := &explainOptions{}
	command := &cobra.Command{
		Use: verb.verb + " SERVER", Short: "Tell what would hold or deny it", Args: exactly(1, "the name of one server"),
		Example:           a.text("  stargate explain " + verb.verb + " server-0103 -n dc-west"),
		ValidArgsFunction: a.completeNames(serverKind()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if verb.action == v1alpha1.ActionRepave && o.profile == "" {
				return usagef("explain repave needs --profile: what would be put on the server")
			}
			return a.explain(cmd.Context(), o, func(world *planning.World) (*v1alpha1.Operation, error) {
				server, err := named(world.Servers, serverKind(), a.namespace(), args[0])
				if err != nil {
					return nil, err
				}
				return a.wouldBe(cmd.Context(), o, verb, server)
			})
		},
	}
	if string(verb.action) != verb.verb {
		command.Aliases = []string{string(verb.action)}
	}
	command.Flags().Int32Var(&o.priority, "priority", 0, "Who goes first where several wait, -1000 to 1000")
	if verb.action == v1alpha1.ActionRepave {
		command.Flags().StringVarP(&o.profile, "profile", "p", "", "ProvisioningProfile that would be put on the server (needed)")
		// The flag was added one line above.
		_ = command.RegisterFlagCompletionFunc("profile", a.completeNames(profileKind()))
	}
	o.bind(a, command)
	return command
}

// namespace that is meant; empty where only the kubeconfig might say and there is none.
func (a *App) namespace() string {
	if a.flags.Namespace != nil && *a.flags.Namespace != "" {
		return *a.flags.Namespace
	}
	namespace, set, err := a.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil || !set && namespace == metav1.NamespaceDefault {
		return ""
	}
	return namespace
}

// named finds an object among those of a World: in a namespace, or, where that is empty, in the only one
// that has an object of that name.
func named[T interface {
	GetNamespace() string
	GetName() string
}](all []T, k kind, namespace, name string) (T, error) {
	var found []T
	var names, where []string
	for _, each := range all {
		if namespace != "" && each.GetNamespace() != namespace {
			continue
		}
		names = append(names, each.GetName())
		if each.GetName() == name {
			found, where = append(found, each), append(where, each.GetNamespace())
		}
	}
	var none T
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		text := fmt.Sprintf("there is no %s %s%s", k.title, render.Clean(name), k.in(namespace))
		if near := nearest(name, names); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return none, failf("%s", text)
	}
	slices.Sort(where)
	return none, usagef("there is a %s %s in %d namespaces (%s): say which with -n", k.title, render.Clean(name), len(found), strings.Join(where[:min(len(where), 5)], ", "))
}

// operationIn finds the Operation that is meant. One that has ended may not be among what plans look at,
// and is read by itself.
func (a *App) operationIn(ctx context.Context, o *explainOptions, world *planning.World, name string) (*v1alpha1.Operation, error) {
	op, err := named(world.Operations, operationKind(), a.namespace(), name)
	if err == nil || o.snapshot != "" {
		return op, err
	}
	cluster, err := a.connect()
	if err != nil {
		return nil, err
	}
	object, err := cluster.read(ctx, operationKind(), name)
	if err != nil {
		return nil, err
	}
	return asOperation(object), nil
}

// wouldBe is the Operation that the verb would make for a server.
func (a *App) wouldBe(ctx context.Context, o *explainOptions, verb action, server *v1alpha1.Server) (*v1alpha1.Operation, error) {
	if err := within("--priority", o.priority, -1000, 1000); err != nil {
		return nil, err
	}
	made := &actOptions{action: verb, profile: o.profile, priority: o.priority}
	op := made.build(server, "new")
	op.Name = verb.verb + "-" + server.Name
	if o.snapshot != "" {
		return op, nil
	}
	cluster, err := a.connect()
	if err != nil {
		return nil, err
	}
	if who, err := cluster.whoami(ctx); err == nil {
		op.Annotations = map[string]string{v1alpha1.AnnotationRequester: who}
	}
	return op, nil
}

// explain an Operation that is found, or made up, once it is known what lives.
func (a *App) explain(ctx context.Context, o *explainOptions, find func(*planning.World) (*v1alpha1.Operation, error)) error {
	if err := checkOutput(o.output, render.JSON, render.YAML); err != nil {
		return err
	}
	now := a.now()
	at, err := planTime(o.at, now)
	if err != nil {
		return err
	}
	world, err := a.world(ctx, o.snapshot, now)
	if err != nil {
		return err
	}
	if o.snapshot != "" && o.at == "" {
		at = world.TakenAt
	}
	op, err := find(world)
	if err != nil {
		return err
	}
	report := explainedBy(world, op, at)
	if structured(o.output) {
		err = render.Structured(a.out, o.output, explanation{Header: render.HeaderOf("Explanation"), Report: report})
	} else {
		a.showExplanation(report, o.verbose)
	}
	if err != nil {
		return err
	}
	return exitWith(codeOfVerdict(report.Verdict))
}

// explanation as programs read it.
type explanation struct {
	render.Header
	*explain.Report
}

// explainedBy what lives, an Operation at a time, with what cannot be known.
func explainedBy(world *planning.World, op *v1alpha1.Operation, at time.Time) *explain.Report {
	seen := world.Explaining(at)
	if op.UID == "" {
		op.CreationTimestamp = metav1.NewTime(at)
	}
	report := seen.Explain(op, seen.Ledger())
	for _, missing := range world.Missing {
		report.Notes = append(report.Notes, "You may not list kind "+missing+": it is left out")
	}
	if world.Vouches == nil && len(world.Policies) > 0 {
		report.Notes = append(report.Notes, "What admission vouches for is not known: requester, source and approvals are taken as they are written")
	}
	return report
}

func codeOfVerdict(verdict explain.Verdict) int {
	switch verdict {
	case explain.Held, explain.Denied, explain.Void:
		return exitHeld
	case explain.Verdict(v1alpha1.OperationFailed):
		return exitFailed
	default:
		return exitFine
	}
}
