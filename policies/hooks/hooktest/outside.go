package hooktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"stargate.io/stargate/policies/hooks"
)

// outside answers one run as its step says, and keeps what went otherwise.
type outside struct {
	// whose answers they are: the test's, or the recording's.
	whose  string
	now    time.Time
	http   []Exchange
	kube   []Verb
	failed []string
}

// Now is where the clock stands.
func (o *outside) Now() time.Time { return o.now }

func (o *outside) fail(format string, args ...any) {
	o.failed = append(o.failed, fmt.Sprintf(format, args...))
}

// HTTP answers with the next exchange, which must be about this request.
func (o *outside) HTTP(_ context.Context, request hooks.Request) (hooks.Response, error) {
	asked := request.Method + " " + request.URL
	if len(o.http) == 0 {
		o.fail("unexpected request: %s", asked)
		return hooks.Response{}, fmt.Errorf("the %s foresees no such request", o.whose)
	}
	next := o.http[0]
	if next.Method == "" {
		next.Method = "GET"
	}
	if expected := strings.ToUpper(next.Method) + " " + next.URL; expected != asked {
		o.fail("unexpected request: %s; expected %s", asked, expected)
		return hooks.Response{}, fmt.Errorf("the %s foresees another request", o.whose)
	}
	o.http = o.http[1:]
	o.sent(asked, next, request)
	if next.Error != "" {
		return hooks.Response{}, errors.New(next.Error)
	}
	return next.response()
}

// sent compares what the request carries.
func (o *outside) sent(asked string, next Exchange, request hooks.Request) {
	for _, text := range next.Sends {
		if !strings.Contains(string(request.Body), text) {
			o.fail("%s: the body has no %q in it: %s", asked, text, request.Body)
		}
	}
	for name, value := range next.SendsHeaders {
		got, found := "", false
		for header, of := range request.Headers {
			if strings.EqualFold(header, name) {
				got, found = of, true
			}
		}
		if !found || got != value {
			o.fail("%s: header %s is %q, expected %q", asked, name, got, value)
		}
	}
}

func (e Exchange) response() (hooks.Response, error) {
	response := hooks.Response{Status: e.Status, Headers: map[string]string{}, Body: []byte(e.Body)}
	for name, value := range e.Headers {
		response.Headers[name] = value
	}
	if response.Status == 0 {
		response.Status = 200
	}
	if e.JSON != nil {
		text, err := json.Marshal(e.JSON)
		if err != nil {
			return response, fmt.Errorf("encoding the answer of the test: %w", err)
		}
		response.Body = text
	}
	return response, nil
}

// Kubernetes answers with the next verb, which must be this one.
func (o *outside) Kubernetes(_ context.Context, verb string, arguments map[string]any) (any, error) {
	if len(o.kube) == 0 {
		o.fail("unexpected call: kube.%s", verb)
		return nil, fmt.Errorf("the %s foresees no such call", o.whose)
	}
	next := o.kube[0]
	if next.Verb != verb {
		o.fail("unexpected call: kube.%s; expected kube.%s", verb, next.Verb)
		return nil, fmt.Errorf("the %s foresees another call", o.whose)
	}
	o.kube = o.kube[1:]
	if next.Arguments != nil && !same(next.Arguments, arguments) {
		o.fail("kube.%s: its arguments are %s, expected %s", verb, text(arguments), text(next.Arguments))
	}
	if next.Error != "" {
		return nil, errors.New(next.Error)
	}
	if next.Answer == nil {
		return map[string]any{}, nil
	}
	return next.Answer, nil
}

// unused is what was foreseen and not asked for.
func (o *outside) unused() {
	for _, e := range o.http {
		o.fail("expected request did not come: %s", strings.TrimSpace(e.Method+" "+e.URL))
	}
	for _, v := range o.kube {
		o.fail("expected call did not come: kube.%s", v.Verb)
	}
}

// same tells whether two values are the same JSON.
func same(a, b any) bool {
	var x, y any
	if json.Unmarshal([]byte(text(a)), &x) != nil || json.Unmarshal([]byte(text(b)), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
