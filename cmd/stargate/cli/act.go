package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// action is one verb that makes Operations.
type action struct {
	verb       string
	action     v1alpha1.Action
	short      string
	effect     string // what it does to a server, for the gates: "This <effect> Server server-001"
	disruptive bool   // asks first
}

func actions() []action {
	return []action{
		{"repave", v1alpha1.ActionRepave, "Wipe a server and put a profile's OS on it", "wipes", true},
		{"reboot", v1alpha1.ActionReboot, "Reboot servers", "reboots", true},
		{"power-on", v1alpha1.ActionPowerOn, "Power servers on", "powers on", false},
		{"power-off", v1alpha1.ActionPowerOff, "Power servers off", "powers off", true},
		{"inspect", v1alpha1.ActionInspect, "Have the site look at servers, and change nothing", "looks at", false},
	}
}

// actOptions are the flags of those verbs.
type actOptions struct {
	action
	profile      string
	onlyIfNeeded bool
	name         string
	reason       string
	override     []string
	retries      int32
	priority     int32
	jobTimeout   time.Duration
	ttl          time.Duration
	dryRun       bool
	yes          bool
	output       string
	waitOptions
}

var actFormats = []string{render.JSON, render.YAML, render.Name}

func (a *App) actionCommands() []*cobra.Command {
	var commands []*cobra.Command
	for _, each := range actions() {
		commands = append(commands, a.actionCommand(each))
	}
	return commands
}

// operationCommand offers the verbs a second time, for those who think of the kind first.
func (a *App) operationCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "operation", Aliases: []string{"op"}, Hidden: true,
		Short: "Make Operations", Args: a.noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.actionCommands()...)
	return command
}

func (a *App) actionCommand(verb action) *cobra.Command {
	options := &actOptions{action: verb}
	command := &cobra.Command{
		Use: verb.verb + " SERVER...", Short: verb.short,
		Args:              atLeast(1, "the name of a server"),
		ValidArgsFunction: a.completeNames(serverKind()),
		Example:           a.text("  stargate " + verb.verb + " server-001 server-002 -n dc-west --wait"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.act(cmd.Context(), options, args)
		},
	}
	options.bind(a, command)
	if verb.action != v1alpha1.ActionRepave {
		return command
	}
	command.Use = verb.verb + " SERVER --profile PROFILE"
	command.Args = exactly(1, "the name of one server (for many, a ServerGroup goes in waves)")
	command.Example = a.text(`  stargate repave server-001 -n dc-west --profile os-2-0-0 --wait
  stargate repave server-001 --profile os-2-0-0 -y --wait --timeout 1h --reason "kernel fix"`)
	command.Flags().StringVarP(&options.profile, "profile", "p", "", "ProvisioningProfile to put on the server (needed)")
	command.Flags().BoolVar(&options.onlyIfNeeded, "only-if-needed", false, "Record, and do not wipe, a server that has this profile's content already")
	// The flag was added above.
	_ = command.RegisterFlagCompletionFunc("profile", a.completeNames(profileKind()))
	return command
}

func (o *actOptions) bind(a *App, command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.name, "name", "", "Name of the Operation. Default: VERB-SERVER-xxxxx")
	flags.StringVar(&o.reason, "reason", "", "Why, kept with the Operation")
	flags.StringArrayVar(&o.override, "override", nil, "Let it pass a policy, or one rule of it (policy/rule); needs --reason and the verb override")
	flags.Int32Var(&o.retries, "retries", 0, "Jobs to try again after one that failed, 0 to 10")
	flags.Int32Var(&o.priority, "priority", 0, "Who goes first where several wait, -1000 to 1000")
	flags.DurationVar(&o.jobTimeout, "job-timeout", 0, "How long one attempt may take. Default: 2h for repave, else 15m")
	flags.DurationVar(&o.ttl, "ttl", 0, "Delete the Operation so long after its end. Default: keep it")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Have the API server check everything, and do nothing")
	flags.BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
	a.outputFlag(command, &o.output, actFormats...)
	o.waitOptions.bind(flags)
}

func (o *actOptions) check(servers []string) error {
	if err := checkOutput(o.output, actFormats...); err != nil {
		return err
	}
	switch {
	case o.action.action == v1alpha1.ActionRepave && o.profile == "":
		return usagef("repave needs --profile: what to put on the server")
	case o.name != "" && len(servers) > 1:
		return usagef("--name is for one server; %d are named", len(servers))
	case o.jobTimeout != 0 && (o.jobTimeout < time.Second || o.jobTimeout > 7*24*time.Hour):
		return usagef("--job-timeout: expected 1s to 168h, got %s", o.jobTimeout)
	case o.ttl < 0:
		return usagef("--ttl cannot be below zero")
	}
	if err := o.checkOverride(); err != nil {
		return err
	}
	if err := o.checkNumbers(); err != nil {
		return err
	}
	return o.waitOptions.check()
}

func (o *actOptions) checkNumbers() error {
	if err := within("--retries", o.retries, 0, 10); err != nil {
		return err
	}
	return within("--priority", o.priority, -1000, 1000)
}

// checkOverride: what passes rules says why.
func (o *actOptions) checkOverride() error {
	if len(o.override) == 0 {
		return nil
	}
	if err := checkReason(o.reason); err != nil {
		return err
	}
	return checkRules(o.override)
}

// within checks a number that the API bounds, so that a slip is told as one.
func within(flag string, value, least, most int32) error {
	if value < least || value > most {
		return usagef("%s: expected %d to %d, got %d", flag, least, most, value)
	}
	return nil
}

// act tells what is going to be done and what stands in the way, asks, does it, and waits.
func (a *App) act(ctx context.Context, options *actOptions, names []string) error {
	names, err := distinct(names)
	if err == nil {
		err = options.check(names)
	}
	if err != nil {
		return err
	}
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	plans, err := cluster.gates(ctx, options, names)
	if err != nil {
		return err
	}
	if err := a.judge(ctx, options, plans); err != nil {
		return err
	}
	for _, plan := range plans {
		a.showGates(plan)
	}
	if options.disruptive && !options.yes && !options.dryRun {
		if err := a.ask(ctx, options.verb+" "+subjects(names)+"?"); err != nil {
			return err
		}
	}
	return a.carryOut(ctx, cluster, options, plans)
}

// carryOut makes the Operations, and waits for them where that is wanted.
func (a *App) carryOut(ctx context.Context, c *cluster, options *actOptions, plans []gates) error {
	made, code := a.createAll(ctx, c, options, plans)
	if options.wait && !options.dryRun && len(made) > 0 {
		ended, waited, err := a.await(ctx, c, made, options.waitOptions)
		if err != nil {
			return err
		}
		made, code = ended, worst(code, waited)
		a.announceEnds(made, options.output)
	}
	if structured(options.output) {
		if err := a.printObjects(options.output, operationKind(), len(plans) == 1, objectsOf(made)...); err != nil {
			return err
		}
	}
	return exitWith(code)
}

// announceEnds writes how each ended, on stdout as its creation was.
func (a *App) announceEnds(ended []*v1alpha1.Operation, output string) {
	if output != "" {
		return
	}
	for _, op := range ended {
		a.say("%s %s", operationKind().fullName(op.Name), phaseWord(op))
	}
}

// subjects names a few, counts many.
func subjects(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return render.Count(len(names), "server")
}

// distinct refuses a server that is named twice: two reboots were hardly meant.
func distinct(names []string) ([]string, error) {
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			return nil, usagef("%s is named twice", name)
		}
		seen[name] = true
	}
	return names, nil
}

// build makes the Operation for one server. Its UID pins the machine that was looked at, and the
// finalizer is there from the start, which spares the controller a write.
func (o *actOptions) build(server *v1alpha1.Server, suffix string) *v1alpha1.Operation {
	name := o.name
	if name == "" {
		name = operationName(o.verb, server.Name, suffix)
	}
	op := &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: server.Namespace, Finalizers: []string{v1alpha1.Finalizer}},
		Spec: v1alpha1.OperationSpec{
			ServerRef: v1alpha1.ServerReference{Name: server.Name, UID: string(server.UID)},
			Operation: o.action.action, Priority: o.priority, Retries: o.retries, OnlyIfNeeded: o.onlyIfNeeded,
		},
	}
	if o.profile != "" {
		op.Spec.ProvisioningProfileRef = &v1alpha1.LocalReference{Name: o.profile}
	}
	if o.jobTimeout > 0 {
		op.Spec.Timeout = &metav1.Duration{Duration: o.jobTimeout}
	}
	if o.ttl > 0 {
		seconds := int32(min(o.ttl/time.Second, 31536000))
		op.Spec.TTLSecondsAfterFinished = &seconds
	}
	if o.reason != "" {
		op.Annotations = map[string]string{v1alpha1.AnnotationReason: o.reason}
	}
	if len(o.override) > 0 {
		// Who overrides is written by the API server.
		op.Annotations[v1alpha1.AnnotationOverride] = strings.Join(o.override, "\n")
		op.Annotations[v1alpha1.AnnotationOverrideReason] = o.reason
	}
	return op
}

// operationName is what a person reads in a list: repave-server-001-x7k2p. It is chosen here and
// not by the API server, so that a creation whose reply was lost can be sent again and is still one.
func operationName(verb, server, suffix string) string {
	const limit = 253
	room := limit - len(verb) - len(suffix) - 2
	return fmt.Sprintf("%s-%s-%s", verb, server[:min(len(server), room)], suffix)
}

func randomSuffix(n int) string { return rand.String(n) }

var errDeclined = errors.New("nothing was done")
