package rules

import (
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// A judgement is one evaluation of one policy over one set of Facts: what expressions read goes
// through it, so that it knows afterwards what was read. It is used by one goroutine, then given back.
type judgement struct {
	policy *Policy
	facts  *Facts
	fleet  Fleet
	now    time.Time
	// foresees: when the functions of the clock turn is wanted too.
	foresees bool
	// supposed answers, by question, of a judgement that asks "what if"; nil of a real one.
	supposed map[Question]int64

	cells []cell
	asked []Asked
	// trace of the expression that runs.
	trace *trace
	// outermost is the trace of what runs on no other's behalf; it lies here so that none is made for each.
	outermost trace
	// spent is what all expressions of the policy cost so far.
	spent uint64
	// last is what the expression that came to its end last cost.
	last uint64

	requester, source unvouched
	// What fleet, the clock and variables are to an expression: this judgement.
	asFleet, asClock, asVariables ref.Val
}

// A cell keeps a variable: computed at most once, and only when it is asked for.
type cell struct {
	done  bool
	value ref.Val
	trace trace
	// cost of it, without the variables that it uses.
	cost uint64
}

// A trace is what an expression read on its way.
type trace struct {
	// from and to delimit the questions that it asked, in judgement.asked.
	from, to int
	// variables that it used, a bit each.
	variables uint64
	// turns is the first instant after now at which a function of the clock says something else; zero
	// for never.
	turns time.Time
	// unstamped: it read what no admission vouches for.
	unstamped bool
	// unknown: the fleet could not tell.
	unknown bool
	// slow: it cost more than it may.
	slow bool
}

// unvouched stands where a requester or a source would, and notes that it was read.
type unvouched struct{ of *judgement }

func (u *unvouched) read() { u.of.trace.unstamped = true }

var judgements = sync.Pool{New: func() any { return newJudgement() }}

func newJudgement() *judgement {
	j := &judgement{}
	j.requester.of, j.source.of = j, j
	j.asFleet, j.asClock, j.asVariables = within{j, fleetObject}, within{j, clockObject}, within{j, variablesObject}
	return j
}

func (p *Policy) judge(f *Facts, fleet Fleet) *judgement {
	j := judgements.Get().(*judgement)
	j.policy, j.facts, j.fleet, j.now = p, f, fleet, f.Now
	if cap(j.cells) < len(p.variables) {
		j.cells = make([]cell, len(p.variables))
	}
	j.cells = j.cells[:len(p.variables)]
	return j
}

// done gives the judgement back. Nothing that it handed out points into it.
func (j *judgement) done() {
	clear(j.cells)
	clear(j.asked)
	j.policy, j.facts, j.fleet, j.supposed, j.trace = nil, nil, nil, nil, nil
	j.foresees = false
	j.cells, j.asked, j.spent = j.cells[:0], j.asked[:0], 0
	judgements.Put(j)
}

// ResolveName gives a variable of the language.
func (j *judgement) ResolveName(name string) (any, bool) {
	f := j.facts
	switch name {
	case "operation":
		return &f.Operation, true
	case "server":
		return &f.Server, true
	case "profile":
		return &f.Profile, true
	case "group":
		return &f.Group, true
	case "datacenter":
		return &f.Datacenter, true
	case "requester":
		if !f.Requester.Stamped {
			return &j.requester, true
		}
		return &f.Requester, true
	case "source":
		if !f.Source.Stamped {
			return &j.source, true
		}
		return &f.Source, true
	}
	return j.own(name)
}

// own variables of the judgement, which are no part of the Facts.
func (j *judgement) own(name string) (any, bool) {
	switch name {
	case "now":
		return types.Timestamp{Time: timeOf(j.now)}, true
	case fleetType:
		return j.asFleet, true
	case clockName:
		return j.asClock, true
	case variablesType:
		return j.asVariables, true
	}
	return nil, false
}

// Parent of the variables: there is none.
func (j *judgement) Parent() cel.Activation { return nil }

// within is the judgement itself, as the functions of the language get it.
type within struct {
	judgement *judgement
	typ       *cel.Type
}

// The types that it has there, made once: an expression asks for them with each call.
var fleetObject, clockObject, variablesObject = cel.ObjectType(fleetType), cel.ObjectType(clockType), cel.ObjectType(variablesType)

func (w within) ConvertToNative(reflect.Type) (any, error) { return nil, errOpaque }
func (w within) ConvertToType(ref.Type) ref.Val            { return types.WrapErr(errOpaque) }
func (w within) Equal(other ref.Val) ref.Val               { return types.Bool(other == ref.Val(w)) }
func (w within) Type() ref.Type                            { return w.typ }
func (w within) Value() any                                { return w.judgement }

// variable computes a variable, once.
func (j *judgement) variable(i int) (any, error) {
	c := &j.cells[i]
	j.trace.variables |= 1 << i
	if !c.done {
		c.done = true
		c.value = j.run(j.policy.variables[i], &c.trace)
		c.cost = j.last
	}
	if err, failed := c.value.(*types.Err); failed {
		return nil, err
	}
	return c.value, nil
}

// run an expression, and write down what it read.
func (j *judgement) run(e *expression, t *trace) ref.Val {
	outer := j.trace
	*t = trace{from: len(j.asked)}
	j.trace = t
	value := e.eval(j)
	t.to = len(j.asked)
	j.trace = outer
	return value
}

// whole is what was read by way of a trace and the variables that it used.
func (j *judgement) whole(t trace) trace {
	for seen := uint64(0); seen != t.variables; {
		next := t.variables &^ seen
		seen = t.variables
		for i := range j.cells {
			if next&(1<<i) == 0 {
				continue
			}
			c := &j.cells[i].trace
			t.variables |= c.variables
			t.turns = sooner(t.turns, c.turns)
			t.unstamped = t.unstamped || c.unstamped
			t.unknown = t.unknown || c.unknown
			t.slow = t.slow || c.slow
		}
	}
	return t
}

// questions that were asked by way of some traces and the variables that they used, each once.
func (j *judgement) questions(traces ...trace) []Asked {
	var all []Asked
	var variables uint64
	add := func(t trace) {
		for _, asked := range j.asked[t.from:t.to] {
			if !slices.ContainsFunc(all, func(a Asked) bool { return a.Question == asked.Question }) {
				all = append(all, asked)
			}
		}
	}
	for _, t := range traces {
		variables |= t.variables
		add(t)
	}
	for i := range j.cells {
		if variables&(1<<i) != 0 {
			add(j.cells[i].trace)
		}
	}
	return all
}

// ask the fleet.
func (j *judgement) ask(q Question) ref.Val {
	if len(j.asked) >= MaxQuestions {
		return types.WrapErr(errManyQuestions)
	}
	a := j.answer(q)
	j.asked = append(j.asked, Asked{Question: q, Answer: a})
	if !a.Changes.IsZero() {
		j.trace.turns = sooner(j.trace.turns, a.Changes)
	}
	if a.Unknown {
		j.trace.unknown = true
		return types.WrapErr(errNotCounted)
	}
	return types.Int(a.Count)
}

func (j *judgement) answer(q Question) Answer {
	if count, ok := j.supposed[q]; ok {
		return Answer{Count: count}
	}
	if j.now.Equal(j.facts.Now) {
		return j.fleet.Answer(q)
	}
	if ahead, ok := j.fleet.(Forecast); ok && q.Kind == Failed {
		return ahead.AnswerAt(q, j.now)
	}
	a := j.fleet.Answer(q)
	a.Unknown = a.Unknown || !a.Changes.IsZero() && !j.now.Before(a.Changes)
	return a
}

// sooner of two instants, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
