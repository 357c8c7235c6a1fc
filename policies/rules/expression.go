package rules

import (
	"errors"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// An expression that compiled.
type expression struct {
	path, name, text string
	typ              *cel.Type
	checked          *cel.Ast
	program          cel.Program
	// reads is what it reads itself, without what its variables read.
	reads reads
	// cost that it can come to.
	cost uint64
}

// plan how an expression runs.
func (c *compiler) plan(path, text string, checked *cel.Ast) (*expression, error) {
	e := &expression{path: path, text: text, typ: checked.OutputType(), checked: checked}
	program, err := c.env.Program(checked,
		cel.EvalOptions(cel.OptOptimize, cel.OptTrackCost),
		cel.CostLimit(MaxCost),
		cel.CostTracking(prices{}),
		cel.CostTrackerOptions(interpreter.PresenceTestHasCost(false)),
		cel.CustomDecoratorV2(readOnce),
		cel.CustomDecoratorV2(guarded(checked, shared().bindings)),
		cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, err
	}
	e.program = program
	if e.cost, err = c.estimate(checked); err != nil {
		return nil, err
	}
	e.reads = c.readsOf(checked)
	for _, d := range e.reads.dimensions {
		c.policy.ask(d)
	}
	return e, nil
}

// eval gives the value, or the error that it ended in.
func (e *expression) eval(j *judgement) ref.Val {
	if e.program == nil {
		return types.WrapErr(errBroken)
	}
	value, details, err := e.program.Eval(j)
	if cost := details.ActualCost(); cost != nil {
		j.spent += *cost
		j.last = *cost
	}
	switch {
	case err != nil && isCancelled(err) || j.spent > MaxPolicyCost:
		j.trace.slow = true
		return types.WrapErr(errTooCostly)
	case err != nil:
		return types.WrapErr(err)
	}
	return value
}

// isCancelled tells whether an evaluation was cut short for what it cost.
func isCancelled(err error) bool {
	var cancelled interpreter.EvalCancelledError
	return errors.As(err, &cancelled)
}

var (
	errTooCostly = errors.New("it cost more than it may")
	errBroken    = errors.New("a variable that it uses does not compile")
)
