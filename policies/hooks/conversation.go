package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stargate.io/stargate/policies/hooks/wire"
)

// A script ends itself at its deadline, and says where it was; one that does not, as a search for a pattern, is
// ended soon after.
const (
	minGrace = 20 * time.Millisecond
	maxGrace = 500 * time.Millisecond
)

// defaultDeadline of a run.
const defaultDeadline = 30 * time.Second

// conversation with a worker about one run.
type conversation struct {
	pool *Pool
	*process
	call   Call
	host   Host
	run    wire.Run
	result Result
	// bytes of the log, and calls of http and kube.
	bytes, calls int
	// until ends at the run's deadline.
	until context.Context
}

// prepare what the worker is told, or say what is wrong with it.
func (p *Pool) prepare(call Call) (wire.Run, *Result) {
	wrong := func(reason, format string, args ...any) (wire.Run, *Result) {
		return wire.Run{}, &Result{Outcome: Errored, Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	if call.Script == nil {
		return wrong(ReasonScriptError, "hook %s has no script that compiles", call.Name)
	}
	known := call.Context
	if known == nil {
		known = map[string]any{}
	}
	text, err := json.Marshal(known)
	switch {
	case err != nil:
		return wrong(ReasonWorkerFailure, "encoding the context: %v", err)
	case len(text) > wire.MaxContext:
		return wrong(ReasonOutput, "what the script is to know has %d bytes, more than %d: shorten labels and annotations", len(text), wire.MaxContext)
	case len(call.State) > wire.MaxState:
		return wrong(ReasonOutput, "ctx.state has %d bytes, more than %d", len(call.State), wire.MaxState)
	case len(call.State) > 0 && !isObject(call.State):
		return wrong(ReasonBadReturn, "ctx.state is kept as something that is no JSON object")
	}
	deadline := call.Deadline
	if deadline <= 0 {
		deadline = defaultDeadline
	}
	return wire.Run{Name: call.Script.Name, Text: call.Script.Text, Context: text, State: call.State, Key: call.Key,
		Deadline: deadline, Lines: call.Lines}, nil
}

// hold the conversation. The worker is sound if it can be used again.
func (c *conversation) hold(ctx context.Context) (result Result, sound bool) {
	began := time.Now()
	c.run.Now = c.pool.options.Now()
	if outside, ok := c.host.(Outside); ok {
		c.run.Now, c.run.Frozen = outside.Now(), true
	}
	grace := min(max(c.run.Deadline/4, minGrace), maxGrace)
	until, cancel := context.WithTimeout(ctx, c.run.Deadline)
	defer cancel()
	last, cancelLast := context.WithTimeout(ctx, c.run.Deadline+grace)
	defer cancelLast()
	c.until = until
	stop := context.AfterFunc(last, c.kill)
	sound = c.talk()
	// Where it could not be stopped the worker is being killed.
	sound = stop() && sound
	if !sound && c.result.Outcome == "" {
		c.died(last)
	}
	c.result.Took = time.Since(began)
	return c.result, sound
}

// talk until the run's end, and tell whether it was a proper one.
func (c *conversation) talk() bool {
	if err := wire.Write(c.in, wire.KindRun, c.run); err != nil {
		return false
	}
	for {
		kind, payload, err := wire.Read(c.out)
		if err != nil {
			return false
		}
		switch kind {
		case wire.KindLog:
			err = c.logged(payload)
		case wire.KindEvent:
			err = c.told(payload)
		case wire.KindHTTP, wire.KindKube:
			err = c.asked(kind, payload)
		case wire.KindEnd:
			return c.ended(payload)
		default:
			err = fmt.Errorf("a frame of kind %q", byte(kind))
		}
		if err != nil {
			c.broke(err)
			return false
		}
	}
}

// broke: the worker does what ours never does.
func (c *conversation) broke(err error) {
	c.result.Outcome, c.result.Reason = Errored, ReasonWorkerFailure
	c.result.Message = clipped("the worker sent what it may not: "+err.Error(), wire.MaxMessage)
}

func (c *conversation) logged(payload []byte) error {
	var log wire.Log
	if err := json.Unmarshal(payload, &log); err != nil {
		return err
	}
	if c.bytes += len(log.Text); len(c.result.Log) >= wire.MaxLogLines || c.bytes > 8*wire.MaxLogBytes {
		return fmt.Errorf("more log than it may")
	}
	c.result.Log = append(c.result.Log, log.Text)
	return nil
}

func (c *conversation) told(payload []byte) error {
	var event wire.Event
	if err := json.Unmarshal(payload, &event); err != nil {
		return err
	}
	if len(c.result.Events) >= wire.MaxEvents {
		return fmt.Errorf("more events than it may")
	}
	c.result.Events = append(c.result.Events, Event{event.Warning, clipped(event.Reason, wire.MaxEventReason), clipped(event.Message, 2*wire.MaxEventMessage)})
	return nil
}

// ended takes the run's end, if it is one that a run may have.
func (c *conversation) ended(payload []byte) bool {
	var end wire.End
	if err := json.Unmarshal(payload, &end); err != nil {
		c.broke(err)
		return false
	}
	if err := proper(end); err != nil {
		c.broke(err)
		return false
	}
	outcome := Outcome(end.Outcome)
	c.result.Outcome, c.result.Message, c.result.After = outcome, clipped(end.Message, 2*wire.MaxMessage), end.After
	if outcome == Errored {
		c.result.Reason = reasonOf(end.Reason)
	} else {
		c.result.State = end.State
	}
	c.result.Lines, c.result.Memory = end.Lines, end.Peak
	c.peak = end.Peak
	return true
}

// proper tells what is wrong with an end that no run has.
func proper(end wire.End) error {
	switch outcome := Outcome(end.Outcome); outcome {
	case Done, Fail, Errored:
	case Wait:
		if end.After < wire.MinWait || end.After > wire.MaxWait {
			return fmt.Errorf("a wait of %s", end.After)
		}
	default:
		return fmt.Errorf("the outcome %q", clipped(end.Outcome, 32))
	}
	if len(end.State) > wire.MaxState || len(end.State) > 0 && !isObject(end.State) {
		return errors.New("a state that is none")
	}
	return nil
}

func reasonOf(reason string) string {
	switch reason {
	case ReasonDeadline, ReasonMemory, ReasonOutput, ReasonBadReturn, ReasonNotAllowed:
		return reason
	}
	return ReasonScriptError
}

// died says why there is no end.
func (c *conversation) died(last context.Context) {
	c.kill()
	<-c.process.ended
	c.result.Outcome = Errored
	switch {
	case last.Err() != nil:
		c.result.Reason = ReasonDeadline
		c.result.Message = fmt.Sprintf("%s: still running after %s, within one call of a function of Lua, such as the search for a pattern", c.run.Name, c.run.Deadline)
	case c.outOfMemory():
		c.result.Reason = ReasonMemory
		c.result.Message = fmt.Sprintf("%s: took more memory than a run may, %d MiB", c.run.Name, c.pool.options.MemoryBytes>>20)
	default:
		c.result.Reason = ReasonWorkerFailure
		c.result.Message = clipped(fmt.Sprintf("the worker ended (%s): %s", c.cmd.ProcessState, c.says.String()), wire.MaxMessage)
	}
	if usage, ok := rusage(c.cmd.ProcessState); ok {
		c.result.Memory = usage
	}
}

func isObject(text json.RawMessage) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(text, &object) == nil && object != nil
}
