package rules

import (
	"fmt"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"stargate.io/stargate/policies/rules/calendar"
)

// A method of now, by what it turns into.
type method struct {
	name    string
	example string
	about   string
	// least and most arguments.
	least, most int
	// calendar is how many arguments, from the first, say which span of time is meant; one more, where
	// it is given, is what has to fit in.
	calendar int
	// span that they mean.
	span func(arguments []ref.Val) (calendar.Span, error)
}

var methods = []method{
	{name: "inWindow", about: "the wall clock of the time zone reads something in one of the windows, and, where a duration is given, that much is left of it",
		example: `now.inWindow("Sat-Sun 02:00-06:00", "Europe/Oslo")`, least: 2, most: 3, calendar: 2,
		span: func(a []ref.Val) (calendar.Span, error) { return calendar.Window(textOf(a[0]), textOf(a[1])) }},
	{name: "inCron", about: "the cron expression fired less than the duration ago, and, where another duration follows the zone, that much is left",
		example: `now.inCron("0 2 * * 6", duration("4h"), "Europe/Oslo")`, least: 3, most: 4, calendar: 3,
		span: func(a []ref.Val) (calendar.Span, error) {
			open, _ := a[1].(types.Duration)
			return calendar.Cron(textOf(a[0]), open.Duration, textOf(a[2]))
		}},
	{name: "inFreeze", about: "from the first moment of the first day to the last of the last, in the time zone; or from one time to before another",
		example: `now.inFreeze("2026-12-20", "2027-01-05", "Europe/Oslo")`, least: 2, most: 3, calendar: 3,
		span: func(a []ref.Val) (calendar.Span, error) {
			if from, ok := a[0].(types.Timestamp); ok {
				to, _ := a[1].(types.Timestamp)
				return calendar.Between(from.Time, to.Time)
			}
			return calendar.Freeze(textOf(a[0]), textOf(a[1]), textOf(a[2]))
		}},
	{name: "past", about: "the time has come; unlike a comparison with now it has a known end, so that what is held is told when it clears",
		example: `now.past(server.lastRepaved + duration("24h"))`, least: 1, most: 1, calendar: 1,
		span: func(a []ref.Val) (calendar.Span, error) {
			at, _ := a[0].(types.Timestamp)
			return calendar.From(at.Time), nil
		}},
}

func textOf(v ref.Val) string {
	s, _ := v.(types.String)
	return string(s)
}

// internal is the name of the function that a method turns into.
func (m method) internal() string { return "@" + m.name }

func clockMacros() []cel.Macro {
	var macros []cel.Macro
	for _, m := range methods {
		macros = append(macros, cel.ReceiverVarArgMacro(m.name, m.expand))
	}
	return macros
}

// expand turns now.METHOD(…) into @METHOD(clock, …), so that now itself is not read. What is written
// out is looked at here, where its place in the text is known.
func (m method) expand(f cel.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	if target.Kind() != ast.IdentKind || target.AsIdent() != "now" {
		return nil, nil
	}
	if len(args) < m.least || len(args) > m.most {
		return nil, f.NewError(target.ID(), fmt.Sprintf("now.%s does not take %d argument(s): write for example %s", m.name, len(args), m.example))
	}
	if values, ok := literals(args[:min(m.calendar, len(args))]); ok {
		if _, err := m.checked(values); err != nil {
			return nil, f.NewError(args[0].ID(), err.Error())
		}
	}
	return f.NewCall(m.internal(), append([]ast.Expr{f.NewIdent(clockName)}, args...)...), nil
}

// checked span of values that are written out. What is of a wrong type, the type check tells.
func (m method) checked(values []ref.Val) (calendar.Span, error) {
	for i, v := range values {
		_, isText := v.(types.String)
		_, isLength := v.(types.Duration)
		if length := m.name == "inCron" && i == 1; length && !isLength || !length && !isText {
			return nil, nil
		}
	}
	if len(values) < m.calendar {
		return nil, nil
	}
	return m.span(values)
}

// literals that expressions are: strings, and durations that are written out.
func literals(args []ast.Expr) ([]ref.Val, bool) {
	values := make([]ref.Val, len(args))
	for i, arg := range args {
		switch arg.Kind() {
		case ast.LiteralKind:
			values[i] = arg.AsLiteral()
		case ast.CallKind:
			call := arg.AsCall()
			if call.FunctionName() != "duration" || len(call.Args()) != 1 || call.Args()[0].Kind() != ast.LiteralKind {
				return nil, false
			}
			d := call.Args()[0].AsLiteral().ConvertToType(types.DurationType)
			if types.IsError(d) {
				return nil, false
			}
			values[i] = d
		default:
			return nil, false
		}
	}
	return values, true
}

// clockFunctions are the methods of now as they run.
func clockFunctions() []cel.EnvOption {
	clock, text, length, at := cel.ObjectType(clockType), cel.StringType, cel.DurationType, cel.TimestampType
	overload := func(m method, id string, args ...*cel.Type) cel.FunctionOpt {
		if len(args) == 1 {
			return cel.Overload(id, append([]*cel.Type{clock}, args...), cel.BoolType,
				cel.BinaryBinding(func(a, b ref.Val) ref.Val { return m.run(nil, []ref.Val{a, b}) }))
		}
		return cel.Overload(id, append([]*cel.Type{clock}, args...), cel.BoolType,
			cel.FunctionBinding(func(args ...ref.Val) ref.Val { return m.run(nil, args) }))
	}
	window, cron, freeze, past := methods[0], methods[1], methods[2], methods[3]
	return []cel.EnvOption{
		cel.Function(window.internal(), overload(window, "in_window", text, text), overload(window, "in_window_fits", text, text, length)),
		cel.Function(cron.internal(), overload(cron, "in_cron", text, length, text), overload(cron, "in_cron_fits", text, length, text, length)),
		cel.Function(freeze.internal(), overload(freeze, "in_freeze", text, text, text), overload(freeze, "in_freeze_instants", at, at)),
		cel.Function(past.internal(), overload(past, "past", at)),
	}
}

// run a method. The span is given where it is the same each time.
func (m method) run(span calendar.Span, args []ref.Val) ref.Val {
	in, ok := args[0].(within)
	if !ok {
		return types.NewErr("only now has %s", m.name)
	}
	args = args[1:]
	if span == nil {
		var err error
		if span, err = m.span(args); err != nil {
			return types.WrapErr(err)
		}
	}
	if len(args) > m.calendar {
		takes, _ := args[m.calendar].(types.Duration)
		span = calendar.Fitting(span, takes.Duration)
	}
	j := in.judgement
	if j.foresees {
		j.trace.turns = sooner(j.trace.turns, span.Turn(j.now))
	}
	return types.Bool(span.Contains(j.now))
}

// readOnce makes the span of a method once, when the program is planned, where it is written out.
func readOnce(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	for _, m := range methods {
		if call.Function() != m.internal() {
			continue
		}
		constants := make([]ref.Val, 0, m.calendar)
		for _, arg := range call.Args()[1:] {
			if c, ok := arg.(interpreter.InterpretableConst); ok && len(constants) < m.calendar {
				constants = append(constants, c.Value())
			}
		}
		if len(constants) < min(m.calendar, len(call.Args())-1) {
			return i, nil
		}
		span, err := m.span(constants)
		if err != nil {
			return nil, err
		}
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
			return m.run(span, args)
		}), nil
	}
	return i, nil
}

// instant as it is told.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
