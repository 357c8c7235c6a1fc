package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Evaluate judges an Operation. It is what every admission waits for, so it does not look for what
// would release a Hold: Foresee does, for a finding that somebody is told of.
func (p *Policy) Evaluate(f *Facts, fleet Fleet) Result {
	if !p.Match(f) {
		return Result{}
	}
	j := p.judge(f, fleet)
	defer j.done()
	met, conditions := j.conditions()
	switch {
	case !met:
		return Result{}
	case len(p.problems) > 0:
		return Result{Matched: true, Findings: []Finding{p.broken()}}
	case conditions.failed != nil:
		return Result{Matched: true, Findings: []Finding{j.finding(conditions, trace{})}}
	}
	result := Result{Matched: true}
	for _, r := range p.rules {
		if o := j.rule(r); o.failed != nil || !o.passed {
			result.Findings = append(result.Findings, j.finding(o, conditions.trace))
		}
	}
	return result
}

// outcome of a rule or a match condition.
type outcome struct {
	rule       *rule
	expression *expression
	passed     bool
	// failed is why it could not be told; nil where it could.
	failed *types.Err
	trace  trace
}

// conditions tells whether all are met. One that is not decides, whatever the others say; one that
// cannot be told counts as met, and is given, since it holds. The trace is that of all.
func (j *judgement) conditions() (bool, outcome) {
	var all outcome
	for _, e := range j.policy.conditions {
		o := j.outcome(e)
		if o.failed == nil && !o.passed {
			return false, outcome{}
		}
		if o.failed != nil && all.failed == nil {
			all.expression, all.failed = e, o.failed
		}
		all.trace = all.trace.with(o.trace)
	}
	return true, all
}

// with is a trace and the one right after it, as one.
func (t trace) with(next trace) trace {
	return trace{
		from: t.from, to: next.to, variables: t.variables | next.variables, turns: sooner(t.turns, next.turns),
		unstamped: t.unstamped || next.unstamped, unknown: t.unknown || next.unknown, slow: t.slow || next.slow,
	}
}

// rule asks one rule.
func (j *judgement) rule(r *rule) outcome {
	o := j.outcome(r.violated)
	o.rule, o.expression = r, r.violated
	return o
}

// outcome of an expression that no other uses.
func (j *judgement) outcome(e *expression) outcome {
	value := j.run(e, &j.outermost)
	return told(value, j.whole(j.outermost))
}

// told is what a value and its trace mean. What reads the unstamped fails even where the result would
// be the same whoever asked: the rule says that it wants it vouched for.
func told(value ref.Val, t trace) outcome {
	switch v := value.(type) {
	case *types.Err:
		return outcome{failed: v, trace: t}
	case types.Bool:
		if t.unstamped {
			return outcome{failed: types.WrapErr(errUnstamped).(*types.Err), trace: t}
		}
		return outcome{passed: bool(v), trace: t}
	}
	return outcome{failed: types.NewErr("the result is no truth value").(*types.Err), trace: t}
}

// finding that an outcome makes, after the match conditions.
func (j *judgement) finding(o outcome, conditions trace) Finding {
	p := j.policy
	f := Finding{Policy: p.source.Name, Rule: o.expression.name, Effect: Hold, DryRun: p.source.DryRun, Asked: j.questions(conditions, o.trace)}
	switch {
	case o.trace.slow:
		f.Reason = ReasonCost
		f.Message = fmt.Sprintf("%s cost more than it may (%s units): let it look at less, or move what repeats to variables", o.expression.path, grouped(MaxCost))
	case o.trace.unstamped:
		f.Reason = ReasonUnstamped
		f.Message = "asks for the requester or the source, which no admission vouches for: install the admission policies (`stargate check` says what is missing) and make the Operation anew"
	case o.failed != nil && o.trace.unknown:
		f.Reason = ReasonUnknown
		f.Message = "asks something of the fleet that is not counted yet: it is asked again as soon as it is"
	case o.failed != nil:
		f.Reason = ReasonFailed
		f.Message = fmt.Sprintf("%s cannot be told: %s", o.expression.path, j.failure(o.expression, o.failed))
	default:
		f.Effect, f.Reason = o.rule.Effect, ReasonViolated
		f.Message = j.message(o.rule, f.Asked)
		f.Recheck = o.rule.RetryAfter
	}
	f.Message = cut(f.Message, maxMessage)
	return f
}

// maxMessage of a finding, in bytes.
const maxMessage = 1024

// message of a violated rule. What it asked is part of it, unless its author says it all.
func (j *judgement) message(r *rule, asked []Asked) string {
	if r.message != nil {
		var t trace
		value := j.run(r.message, &t)
		if text, ok := value.(types.String); ok && text != "" {
			return string(text)
		}
		why := "it is empty"
		if err, failed := value.(*types.Err); failed {
			why = j.failure(r.message, err)
		}
		return fmt.Sprintf("must be true: %s (its messageExpression cannot be told: %s)", flat(r.Expression), why)
	}
	text := r.Message
	if text == "" {
		text = "must be true: " + flat(r.Expression)
	}
	if len(asked) == 1 {
		text += " (" + asked[0].Question.Tell(asked[0].Answer.Count) + ")"
	}
	return text
}

// flat text of an expression, on one line.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// cut a text to a length, between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// broken is the finding of a policy that does not compile.
func (p *Policy) broken() Finding {
	first := p.problems[0]
	where := first.Path
	if first.Line > 0 {
		where = fmt.Sprintf("%s line %d, column %d", where, first.Line, first.Column)
	}
	return Finding{
		Policy: p.source.Name, Effect: Hold, DryRun: p.source.DryRun, Reason: ReasonBroken,
		Message: cut(fmt.Sprintf("the policy does not compile, and holds what it matches until it is mended: %s: %s", where, first.Message), maxMessage),
	}
}
