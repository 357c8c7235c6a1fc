package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"stargate.io/stargate/policies/hooks/wire"
)

// maxRecorded bounds what is recorded of one call.
const maxRecorded = 200

// refusal is an error that says as what it counts if it ends the run.
type refusal struct{ reason, text string }

func (r *refusal) Error() string { return r.text }

// asked carries out what the worker asks for, if the Hook allows it, and answers.
func (c *conversation) asked(kind wire.Kind, payload []byte) error {
	if c.calls++; c.calls > wire.MaxCalls {
		return fmt.Errorf("more calls than it may")
	}
	var reply wire.Reply
	var done VerbDone
	var err error
	if kind == wire.KindHTTP {
		reply.HTTP, done, err = c.http(payload)
	} else {
		reply.Kube, done, err = c.kube(payload)
	}
	if err != nil {
		reply.Error = clipped(err.Error(), wire.MaxMessage/2)
		var refused *refusal
		switch {
		case c.until.Err() != nil:
			reply.Reason = ReasonDeadline
		case errors.As(err, &refused):
			reply.Reason = refused.reason
		}
		done.Result, done.Failed = clipped(strings.TrimSpace(reply.Reason+" "+reply.Error), maxRecorded), true
	}
	c.result.Verbs = append(c.result.Verbs, done)
	return wire.Write(c.in, wire.KindReply, reply)
}

func (c *conversation) kube(payload []byte) (answer json.RawMessage, done VerbDone, err error) {
	var asked wire.Kube
	if err := json.Unmarshal(payload, &asked); err != nil {
		return nil, done, fmt.Errorf("reading the call: %w", err)
	}
	done.What = "kube." + clipped(asked.Verb, 32)
	if !slices.Contains(c.call.Verbs, asked.Verb) {
		return nil, done, &refusal{ReasonNotAllowed, fmt.Sprintf("kube.%s is not allowed: add %s to spec.allow.kubernetes of hook %s", clipped(asked.Verb, 32), clipped(asked.Verb, 32), c.call.Name)}
	}
	if c.host == nil {
		return nil, done, fmt.Errorf("kube.%s: there is no cluster here", asked.Verb)
	}
	var arguments map[string]any
	if len(asked.Arguments) > wire.MaxArguments {
		return nil, done, &refusal{ReasonOutput, fmt.Sprintf("kube.%s: its arguments may have %d bytes", asked.Verb, wire.MaxArguments)}
	}
	if err := json.Unmarshal(asked.Arguments, &arguments); err != nil {
		return nil, done, fmt.Errorf("kube.%s: its arguments are names with values", asked.Verb)
	}
	value, err := within(c.until, func(ctx context.Context) (any, error) { return c.host.Kubernetes(ctx, asked.Verb, arguments) })
	if err != nil {
		return nil, done, err
	}
	answer, err = json.Marshal(value)
	switch {
	case err != nil:
		return nil, done, fmt.Errorf("kube.%s: encoding its answer: %w", asked.Verb, err)
	case len(answer) > wire.MaxArguments:
		return nil, done, &refusal{ReasonOutput, fmt.Sprintf("kube.%s: its answer has %d bytes, more than %d", asked.Verb, len(answer), wire.MaxArguments)}
	}
	done.Result = clipped(string(answer), maxRecorded)
	return answer, done, nil
}

// within calls something that may be slow to notice the end of its context, and does not wait for that.
func within[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	came := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("carrying it out: %v", p)
			}
			came <- o
		}()
		o.value, o.err = call(ctx)
	}()
	select {
	case o := <-came:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// rusage is the most memory that an ended process had, in bytes.
func rusage(state *os.ProcessState) (int64, bool) {
	if state == nil {
		return 0, false
	}
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	return usage.Maxrss << 10, true
}
