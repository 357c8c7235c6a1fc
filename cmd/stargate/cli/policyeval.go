package cli

import (
	"bufio"
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/explain"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/policies/rules"
)

// evalOptions are the flags of policy eval.
type evalOptions struct {
	explainOptions
	operation, server, action string
}

func (a *App) policyEvalCommand() *cobra.Command {
	o := &evalOptions{}
	command := &cobra.Command{
		Use:   "eval [EXPRESSION]",
		Short: "Try an expression about what lives now, or about a snapshot",
		Long: `Try an expression of the language of policies. It is asked about an Operation
(--operation), or about one that would be made for a server (--server); without either, about
the fleet alone. Without an expression, each line that is typed is one; :help tells more.`,
		Example: a.text(`  stargate policy eval 'fleet.unavailable({"rack": server.labels.rack})' --server server-0103 -n dc-west
  stargate policy eval 'now.inWindow("Mon-Fri 22:00-06:00", "Europe/Oslo")' --at "sat 03:00"
  stargate policy eval --operation repave-server-0103 --snapshot fleet.json`),
		Args: atMost(1, "one expression; put it in quotes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.policyEval(cmd.Context(), o, args)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.operation, "operation", "", "Ask about this Operation")
	flags.StringVar(&o.server, "server", "", "Ask about an Operation that would be made for this server")
	flags.StringVar(&o.action, "action", "repave", "What that Operation would do")
	flags.StringVarP(&o.profile, "profile", "p", "", "ProvisioningProfile that it would put on the server")
	flags.StringVar(&o.at, "at", "", "Ask as if it were then. Default: now")
	flags.StringVar(&o.snapshot, "snapshot", "", "Look at this file, written by snapshot, in place of a cluster")
	a.outputFlag(command, &o.output, render.JSON, render.YAML)
	return command
}

// evaluation of one expression, as programs read it.
type evaluation struct {
	render.Header
	Expression string         `json:"expression"`
	Value      string         `json:"value,omitempty"`
	Type       string         `json:"type,omitempty"`
	Failed     bool           `json:"failed,omitempty"`
	Cost       uint64         `json:"cost"`
	Asked      []explain.Seen `json:"asked,omitempty"`
	Problems   []string       `json:"problems,omitempty"`
}

// evaluator asks expressions about one Operation.
type evaluator struct {
	world     *explain.World
	op        *v1alpha1.Operation
	ledger    *ledger.Ledger
	variables []rules.Expression
}

func (a *App) policyEval(ctx context.Context, o *evalOptions, args []string) error {
	if err := checkOutput(o.output, render.JSON, render.YAML); err != nil {
		return err
	}
	if o.operation != "" && o.server != "" {
		return usagef("--operation and --server say two things: leave one out")
	}
	e, err := a.evaluator(ctx, o)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return a.converse(e, o.output)
	}
	result := e.ask(args[0])
	if err := a.showEvaluation(&result, o.output); err != nil {
		return err
	}
	if result.Failed || len(result.Problems) > 0 {
		return exitWith(exitFailed)
	}
	return nil
}

func (a *App) evaluator(ctx context.Context, o *evalOptions) (*evaluator, error) {
	now := a.now()
	at, err := planTime(o.at, now)
	if err != nil {
		return nil, err
	}
	world, err := a.world(ctx, o.snapshot, now)
	if err != nil {
		return nil, err
	}
	if o.snapshot != "" && o.at == "" {
		at = world.TakenAt
	}
	op, err := a.meant(ctx, o, world)
	if err != nil {
		return nil, err
	}
	e := &evaluator{world: world.Explaining(at), op: op}
	e.ledger = e.world.Ledger()
	return e, nil
}

// meant is the Operation that is asked about.
func (a *App) meant(ctx context.Context, o *evalOptions, world *planning.World) (*v1alpha1.Operation, error) {
	switch {
	case o.operation != "":
		return a.operationIn(ctx, &o.explainOptions, world, o.operation)
	case o.server == "":
		return &v1alpha1.Operation{}, nil
	}
	for _, each := range actions() {
		if o.action == each.verb || o.action == string(each.action) {
			server, err := named(world.Servers, serverKind(), a.namespace(), o.server)
			if err != nil {
				return nil, err
			}
			return a.wouldBe(ctx, &o.explainOptions, each, server)
		}
	}
	return nil, usagef("--action: expected repave, reboot, powerOn, powerOff or inspect, got %q", render.Clean(o.action))
}

// ask one expression. It is a variable of a policy that has nothing else to say.
func (e *evaluator) ask(text string) evaluation {
	out := evaluation{Header: render.HeaderOf("Evaluation"), Expression: text}
	source := rules.Source{Name: "eval", Rules: []rules.Rule{{Name: "reads-it", Expression: "[variables.it].size() == 1", Effect: rules.Audit}}}
	source.Variables = append(append(source.Variables, e.variables...),
		rules.Expression{Name: "it", Expression: text}, rules.Expression{Name: "itsType", Expression: "type(variables.it)"})
	policy, problems := rules.Compile(source)
	if len(problems) > 0 {
		source.Variables = source.Variables[:len(source.Variables)-1]
		policy, problems = rules.Compile(source)
	}
	for _, p := range problems {
		where := ""
		if p.Line > 0 {
			where = fmt.Sprintf("line %d, column %d: ", p.Line, p.Column)
		}
		out.Problems = append(out.Problems, where+p.Message)
	}
	if len(problems) > 0 {
		return out
	}
	e.ledger.SetPolicies([]ledger.Policy{policy})
	for _, told := range e.world.Judge(e.op, e.ledger).Policies {
		for _, variable := range told.Variables {
			switch variable.Name {
			case "it":
				out.Value, out.Failed, out.Cost = variable.Value, variable.Failed, variable.Cost
			case "itsType":
				if !variable.Failed {
					out.Type = strings.Trim(variable.Value, `"`)
				}
			}
		}
		out.Asked = explain.Asked(&told)
	}
	return out
}

func (a *App) showEvaluation(e *evaluation, output string) error {
	if structured(output) {
		return render.Structured(a.out, output, e)
	}
	for _, problem := range e.Problems {
		a.say("%s %s", a.style.Paint(render.Bad, "error:"), safe(problem))
	}
	if len(e.Problems) > 0 {
		return nil
	}
	colour := render.Plain
	if e.Failed {
		colour = render.Bad
	}
	kind := ""
	if e.Type != "" {
		kind = e.Type + ", "
	}
	a.say("%s   (%scost %d)", a.style.Paint(colour, render.Clean(e.Value)), kind, e.Cost)
	for _, asked := range e.Asked {
		a.say("  %s = %s", render.Clean(asked.What), render.Clean(asked.Value))
	}
	return nil
}

const conversationHelp = `Type an expression, for example server.labels.rack, or
  :facts            what rules may read of the Operation
  :let NAME EXPR    a variable, used as variables.NAME
  :vars             the variables
  :quit`

// letLine defines a variable.
var letLine = regexp.MustCompile(`^:let\s+([A-Za-z_][A-Za-z0-9_]*)\s+(.+)$`)

// converse takes expressions line by line, until there is no more.
func (a *App) converse(e *evaluator, output string) error {
	prompt := func() {}
	if render.IsTerminal(a.in) {
		a.note("%s", conversationHelp)
		prompt = func() { _, _ = fmt.Fprint(a.err, "> ") }
	}
	lines := bufio.NewScanner(a.in)
	for prompt(); lines.Scan(); prompt() {
		line := strings.TrimSpace(lines.Text())
		if line == ":quit" || line == ":q" {
			return nil
		}
		if err := a.answer(e, line, output); err != nil {
			return err
		}
	}
	return lines.Err()
}

// answer one line.
func (a *App) answer(e *evaluator, line, output string) error {
	let := letLine.FindStringSubmatch(line)
	switch {
	case line == "" || strings.HasPrefix(line, "#"):
	case line == ":help":
		a.say("%s", conversationHelp)
	case line == ":facts":
		return a.showFacts(e)
	case line == ":vars":
		for _, variable := range e.variables {
			a.say("%s = %s", variable.Name, render.Clean(variable.Expression))
		}
	case let != nil:
		return a.let(e, let[1], let[2], output)
	case strings.HasPrefix(line, ":"):
		a.say("there is no %s; :help tells what there is", render.Clean(line))
	default:
		result := e.ask(line)
		return a.showEvaluation(&result, output)
	}
	return nil
}

// let a variable be, unless it is wrong.
func (a *App) let(e *evaluator, name, text, output string) error {
	result := e.ask(text)
	if err := a.showEvaluation(&result, output); err != nil || len(result.Problems) > 0 {
		return err
	}
	var kept []rules.Expression
	for _, variable := range e.variables {
		if variable.Name != name {
			kept = append(kept, variable)
		}
	}
	e.variables = append(kept, rules.Expression{Name: name, Expression: text})
	return nil
}

func (a *App) showFacts(e *evaluator) error {
	text, err := yaml.Marshal(inLanguage(reflect.ValueOf(*e.world.Wish(e.op).Facts)))
	if err != nil {
		return fmt.Errorf("writing the facts: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		a.say("%s", cleanIndent(strings.TrimRight(line, "\n")))
	}
	return nil
}

// inLanguage gives a value of the facts with the names that rules use.
func inLanguage(v reflect.Value) any {
	switch at := v.Interface().(type) {
	case time.Time:
		return at.UTC().Format(time.RFC3339)
	case time.Duration:
		return at.String()
	}
	if v.Kind() != reflect.Struct {
		return v.Interface()
	}
	fields := map[string]any{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("cel"); name != "" && name != "-" {
			fields[name] = inLanguage(v.Field(i))
		}
	}
	return fields
}
