package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/hookcontext"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/policies/hooks/hooktest"
)

// hookRunOptions are the flags of hook run.
type hookRunOptions struct {
	recorded, operation, output string
	liveHTTP                    bool
}

func (a *App) hookRunCommand() *cobra.Command {
	o := &hookRunOptions{}
	command := &cobra.Command{
		Use:   "run NAME | FILE",
		Short: "Run a hook's script once, and show what came of it",
		Long: `Run the script of a hook once, in a worker with its bounds: of one that lives, or of a
file. What it sees as ctx is recorded in a file (--recorded), or what the controller would
tell it of an Operation (--operation); with both, the file's goes over that.

Nothing is changed. Calls of kube are answered by the file, and refused where it has no
answer; so is http, unless --live-http lets it go where the hook is allowed to reach.

Exit codes: 0 it is done or waits; 1 it failed, or came to no result.`,
		Example: a.text(`  stargate hook run hooks/drain.yaml --recorded drained.yaml
  stargate hook run ask-cmdb --operation repave-server-0103 -n dc-west --live-http`),
		Args: exactly(1, "the name of one Hook, or the file of one"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.hookRun(cmd.Context(), o, args[0]) },
	}
	flags := command.Flags()
	flags.StringVar(&o.recorded, "recorded", "", "File with context, state, key, now, deadline, and the answers of http and kube, as in a case of hook test")
	flags.StringVar(&o.operation, "operation", "", "Run it as for this Operation")
	flags.BoolVar(&o.liveHTTP, "live-http", false, "Let http reach the network, as far as the hook's spec.allow.hosts goes")
	a.outputFlag(command, &o.output, render.JSON, render.YAML)
	// The flag was added above.
	_ = command.RegisterFlagCompletionFunc("operation", a.completeNames(operationKind()))
	return command
}

// hookRan is a run of a hook, as programs read it.
type hookRan struct {
	render.Header
	Hook    string `json:"hook"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// After is when one that waits is asked again.
	After  string          `json:"after,omitempty"`
	State  json.RawMessage `json:"state,omitempty"`
	Log    []string        `json:"log,omitempty"`
	Events []hookSaid      `json:"events,omitempty"`
	// Did are the requests and calls, each with what came of it.
	Did []hookDid `json:"did,omitempty"`
	// Unforeseen is what the recording has no answer for, or had one for and was not asked.
	Unforeseen []string `json:"unforeseen,omitempty"`
	// Milliseconds that it took of its Deadline, and the peak of Memory of its worker in bytes.
	Milliseconds float64 `json:"milliseconds"`
	Deadline     string  `json:"deadline"`
	Memory       int64   `json:"memory"`
}

// hookSaid is an event that a script told.
type hookSaid struct {
	Warning bool   `json:"warning,omitempty"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// hookDid is a request or a call.
type hookDid struct {
	What   string `json:"what"`
	Result string `json:"result"`
	Failed bool   `json:"failed,omitempty"`
}

func (a *App) hookRun(ctx context.Context, o *hookRunOptions, name string) error {
	if err := checkOutput(o.output, render.JSON, render.YAML); err != nil {
		return err
	}
	if o.recorded == "" && o.operation == "" {
		return usagef("hook run needs --recorded or --operation: what the script sees")
	}
	recording, err := o.recording(a.now())
	if err != nil {
		return err
	}
	call, err := a.hookCall(ctx, o, name)
	if err != nil {
		return err
	}
	call.Context, call.State, call.Key = recording.Over(call.Context, call.State, call.Key)
	pool := hooks.NewPool(hooks.Options{Workers: 1})
	defer pool.Close()
	once, err := hooktest.RunOnce(ctx, pool, *call, recording, o.liveHTTP)
	if err != nil {
		return err
	}
	ran := ranOf(call.Name, once)
	if structured(o.output) {
		err = render.Structured(a.out, o.output, ran)
	} else {
		a.showHookRun(ran)
	}
	if err == nil && once.Outcome != hooks.Done && once.Outcome != hooks.Wait {
		err = exitWith(exitFailed)
	}
	return err
}

// recording that answers the run; one without answers where none is named.
func (o *hookRunOptions) recording(now time.Time) (*hooktest.Recording, error) {
	recording := &hooktest.Recording{}
	if o.recorded != "" {
		text, err := readBounded(o.recorded)
		if err != nil {
			return nil, err
		}
		if recording, err = hooktest.ReadRecording(text); err != nil {
			return nil, failf("%s: %v", o.recorded, err)
		}
	}
	if o.liveHTTP && len(recording.HTTP) > 0 {
		return nil, usagef("--live-http: %s has answers of http too; leave one out", o.recorded)
	}
	if recording.Now == nil {
		recording.Now = &now
	}
	return recording, nil
}

// runDeadline is the controller's, where it is told no other.
const runDeadline = 30 * time.Second

// hookCall is the run of a hook, as for the Operation that is meant.
func (a *App) hookCall(ctx context.Context, o *hookRunOptions, name string) (*hooks.Call, error) {
	var world *planning.World
	file := isFile(name)
	if !file || o.operation != "" {
		var err error
		if world, err = a.world(ctx, "", a.now()); err != nil {
			return nil, err
		}
	}
	hook, err := hookNamed(world, name, file)
	if err != nil {
		return nil, err
	}
	call := &hooks.Call{Name: hook.Name, Script: hook.Script, Hosts: hook.Hosts, Verbs: hook.Verbs, Key: "run", Deadline: runDeadline}
	if o.operation == "" {
		return call, nil
	}
	op, err := a.operationIn(ctx, &explainOptions{}, world, o.operation)
	if err != nil {
		return nil, err
	}
	run := nextRunOf(op, hook)
	call.Context = hookcontext.Of(world.Explaining(a.now()).Wish(op).Facts, op, run)
	call.State, call.Key = []byte(run.State), run.Key
	return call, nil
}

// isFile tells whether somebody who names a hook means a file.
func isFile(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}

// hookNamed reads a hook from its file, or finds it among those that live.
func hookNamed(world *planning.World, name string, file bool) (*hooktest.Hook, error) {
	if file {
		return hooktest.ReadHook(name, readBounded)
	}
	object, err := named(world.Hooks, kind{title: "Hook", cluster: true}, "", name)
	if err != nil {
		return nil, err
	}
	script, problems := hooks.Compile(object.Name+".lua", object.Spec.Script)
	if len(problems) > 0 {
		return nil, failf("%s.lua:%d:%d: %s", object.Name, problems[0].Line, problems[0].Column, problems[0].Message)
	}
	hook := &hooktest.Hook{Name: object.Name, Script: script, When: string(object.Spec.When), Hosts: object.Spec.Allow.Hosts}
	for _, verb := range object.Spec.Allow.Kubernetes {
		hook.Verbs = append(hook.Verbs, string(verb))
	}
	return hook, nil
}

// nextRunOf a hook for an Operation: it goes on from the state that its last wait left.
func nextRunOf(op *v1alpha1.Operation, hook *hooktest.Hook) operation.RunHook {
	run := operation.RunHook{Hook: operation.Hook{Name: hook.Name, When: v1alpha1.HookWhen(hook.When)},
		Run: 1, Key: string(op.UID) + "/" + hook.Name, Job: op.Status.JobEnd}
	for _, recorded := range op.Status.Hooks {
		if recorded.Name == hook.Name {
			run.Run, run.State = recorded.Runs+1, recorded.State
		}
	}
	return run
}

func ranOf(name string, once *hooktest.Once) *hookRan {
	ran := &hookRan{Header: render.HeaderOf("HookRun"), Hook: name, Outcome: string(once.Outcome), Reason: once.Reason, Message: once.Message,
		State: once.State, Log: once.Log, Unforeseen: once.Unforeseen,
		Milliseconds: float64(once.Took.Microseconds()) / 1000, Deadline: once.Deadline.String(), Memory: once.Memory}
	if once.Outcome == hooks.Wait {
		ran.After = once.After.String()
	}
	for _, event := range once.Events {
		ran.Events = append(ran.Events, hookSaid(event))
	}
	for _, verb := range once.Verbs {
		ran.Did = append(ran.Did, hookDid(verb))
	}
	return ran
}

func (a *App) showHookRun(ran *hookRan) {
	colour := map[string]render.Colour{string(hooks.Done): render.Good, string(hooks.Wait): render.Held}[ran.Outcome]
	if colour == render.Plain {
		colour = render.Bad
	}
	head := a.style.Paint(colour, ran.Outcome)
	if ran.After != "" {
		head += " " + ran.After
	}
	a.say("%s   hook %s   %s", head, render.Clean(ran.Hook), render.Clean(joined(ran.Reason, ran.Message)))
	for _, line := range ran.Log {
		a.say("  log     %s", render.Clean(line))
	}
	for _, event := range ran.Events {
		word := "event  "
		if event.Warning {
			word = a.style.Paint(render.Held, "warning")
		}
		a.say("  %s %s", word, render.Clean(joined(event.Reason, event.Message)))
	}
	for _, did := range ran.Did {
		result := render.Clean(did.Result)
		if did.Failed {
			result = a.style.Paint(render.Bad, "failed: ") + result
		}
		a.say("  did     %s: %s", render.Clean(did.What), result)
	}
	if len(ran.State) > 0 {
		a.say("  state   %s", render.Clean(string(ran.State)))
	}
	for _, each := range ran.Unforeseen {
		a.say("  %s    %s", a.style.Paint(render.Held, "note"), render.Clean(each))
	}
	a.say("  took    %.1f ms of %s, %d MiB", ran.Milliseconds, ran.Deadline, ran.Memory>>20)
}

// joined says a reason with its message, as far as there is either.
func joined(reason, message string) string {
	if reason == "" || message == "" {
		return reason + message
	}
	return fmt.Sprintf("%s: %s", reason, message)
}
