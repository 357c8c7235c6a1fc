package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine"
)

func TestNameOf(t *testing.T) {
	for argv0, want := range map[string]string{
		"stargate": "stargate", "./bin/stargate": "stargate", "/usr/local/bin/kubectl-stargate": "kubectl stargate",
		"kubectl-stargate.exe": "kubectl stargate", "stargate-1.2": "stargate",
	} {
		if got := nameOf(argv0); got != want {
			t.Errorf("nameOf(%q) = %q, want %q", argv0, got, want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for line, want := range map[string]string{
		"operation a b":             "Operation [a b]",
		"ops":                       "Operation []",
		"op/a op/b":                 "Operation [a b]",
		"operations.stargate.io/a":  "Operation [a]",
		"srv/a":                     "Server [a]",
		"Server a":                  "Server [a]",
		"pp":                        "ProvisioningProfile []",
		"dc/x":                      "Datacenter [x]",
		"op/a srv/b":                "error",
		"op/a b":                    "error",
		"op/":                       "error",
		"machine a":                 "error",
		"operations.example.com/ab": "error",
	} {
		got := "error"
		if found, err := parseTarget(strings.Fields(line), kinds()...); err == nil {
			got = fmt.Sprintf("%s %v", found.kind.title, found.names)
		} else if codeOf(err) != exitUsage {
			t.Errorf("%s: code %d, want %d", line, codeOf(err), exitUsage)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", line, got, want)
		}
	}
}

func TestCodes(t *testing.T) {
	for want, err := range map[int]error{
		exitFine: nil, exitFailed: errors.New("x"), exitUsage: fmt.Errorf("in: %w", usagef("x")),
		exitTimedOut: fmt.Errorf("in: %w", context.DeadlineExceeded), exitHeld: exitWith(exitHeld),
	} {
		if got := codeOf(err); got != want {
			t.Errorf("codeOf(%v) = %d, want %d", err, got, want)
		}
	}
	if got := worst(exitHeld, exitTimedOut, exitFine); got != exitTimedOut {
		t.Errorf("a time-out is worse than a hold, got %d", got)
	}
	if got := worst(exitFailed, exitTimedOut); got != exitFailed {
		t.Errorf("a failure is worse than a time-out, got %d", got)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"server-001", "server-002", "web-1", "servre-001"}
	if got := fmt.Sprint(nearest("server-01", names)); got != "[server-001 server-002]" {
		t.Errorf("got %s", got)
	}
	if got := nearest("database", names); got != nil {
		t.Errorf("got %v for what is like none", got)
	}
}

func TestOperationNamesFit(t *testing.T) {
	if got := operationName("repave", "server-001", "x7k2p"); got != "repave-server-001-x7k2p" {
		t.Errorf("got %s", got)
	}
	if got := operationName("power-off", strings.Repeat("s", 253), "x7k2p"); len(got) != 253 || !strings.HasSuffix(got, "-x7k2p") {
		t.Errorf("got %d bytes: %s", len(got), got)
	}
}

func operationIn(phase v1alpha1.OperationPhase, change func(*v1alpha1.Operation)) *v1alpha1.Operation {
	op := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Name: "op", Generation: 2}}
	op.Status.Phase, op.Status.ObservedGeneration = phase, 2
	if change != nil {
		change(op)
	}
	return op
}

func TestProgressOf(t *testing.T) {
	holds := []v1alpha1.Hold{{Source: "Server/a", Reason: "ServerPaused"}, {Source: "Policy/b", Reason: "LimitReached"}}
	for want, op := range map[string]*v1alpha1.Operation{
		"waits for a controller": operationIn(v1alpha1.OperationPending, func(o *v1alpha1.Operation) { o.Status.ObservedGeneration = 0 }),
		"starting":               operationIn(v1alpha1.OperationPending, nil),
		"held: ServerPaused by Server/a and 1 more": operationIn(v1alpha1.OperationPending, func(o *v1alpha1.Operation) { o.Status.Holds = holds }),
		"62% install": operationIn(v1alpha1.OperationRunning, func(o *v1alpha1.Operation) { o.Status.Progress, o.Status.Stage = 62, "install" }),
		"cancelling":  operationIn(v1alpha1.OperationRunning, func(o *v1alpha1.Operation) { o.Spec.Cancel = true }),
		"JobFailed":   operationIn(v1alpha1.OperationFailed, withCondition(v1alpha1.ConditionFailed, metav1.ConditionTrue, "JobFailed")),
		"outcome unknown: stargate resolve operation op": operationIn(v1alpha1.OperationPending, withCondition(v1alpha1.ConditionDispatched, metav1.ConditionUnknown, "Unknown")),
	} {
		if got := progressOf(op).text; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	// A hold that was written before the spec changed says nothing of now.
	stale := operationIn(v1alpha1.OperationPending, func(o *v1alpha1.Operation) { o.Status.Holds, o.Status.ObservedGeneration = holds, 1 })
	if heldNow(stale) {
		t.Error("holds of an earlier generation are taken for holds of now")
	}
}

func withCondition(kind string, status metav1.ConditionStatus, reason string) func(*v1alpha1.Operation) {
	return func(o *v1alpha1.Operation) {
		o.Status.Conditions = []metav1.Condition{{Type: kind, Status: status, Reason: reason}}
	}
}

// In a pipe: a line per change, a heartbeat that names what is still waited for, a note once.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := &lines{out: &out, now: func() time.Time { return now }, began: now, last: map[string]string{}}
	running := operationIn(v1alpha1.OperationRunning, func(o *v1alpha1.Operation) {
		o.Spec = v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "server-001"}, Operation: v1alpha1.ActionReboot}
		o.Status.Progress = 40
	})
	l.update(running)
	l.update(running)
	now = now.Add(heartbeat)
	l.beat()
	l.note("no controller")
	l.note("no controller")
	now = now.Add(time.Minute)
	running.Status.Phase = v1alpha1.OperationSucceeded
	l.update(running)
	l.beat()
	want := `    0s  op: server-001 reboot Running 40%
   10s  still waiting, op: server-001 reboot Running 40%
   10s  no controller
 1m10s  op: server-001 reboot Succeeded
 1m10s  still waiting
`
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
}

// A creation whose reply was lost is sent again, and is still one.
func TestCreateOnce(t *testing.T) {
	scheme := engine.Scheme()
	wanted := func() *v1alpha1.Operation {
		return &v1alpha1.Operation{
			ObjectMeta: metav1.ObjectMeta{Namespace: "dc-west", Name: "reboot-a-x7k2p"},
			Spec:       v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "a"}, Operation: v1alpha1.ActionReboot},
		}
	}
	tries := 0
	landsUnheard := interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
		tries++
		err := c.Create(ctx, object, options...)
		if tries == 1 {
			return errors.New("read: connection reset by peer")
		}
		return err
	}}
	c := &cluster{WithWatch: fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(landsUnheard).Build()}
	op := wanted()
	if err := c.createOnce(t.Context(), op, false); err != nil {
		t.Fatal(err)
	}
	if op.ResourceVersion == "" || tries != 2 {
		t.Errorf("after %d tries, version %q", tries, op.ResourceVersion)
	}

	// One that was there before is somebody else's.
	if err := c.createOnce(t.Context(), wanted(), false); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v, want a refusal", err)
	}

	// A refusal is not tried again.
	tries = 0
	refuse := interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
		tries++
		return apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("Operation").GroupKind(), "x", nil)
	}}
	c = &cluster{WithWatch: fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(refuse).Build()}
	if err := c.createOnce(t.Context(), wanted(), false); err == nil || tries != 1 {
		t.Errorf("got %v after %d tries, want a refusal after one", err, tries)
	}
}

// A list that spans pages is whole, and begins anew where the server forgot its place.
func TestAllReadsEveryPage(t *testing.T) {
	page := func(token string, names ...string) v1alpha1.ServerList {
		list := v1alpha1.ServerList{ListMeta: metav1.ListMeta{Continue: token}}
		for _, name := range names {
			list.Items = append(list.Items, v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
		return list
	}
	expired := true
	pages := interceptor.Funcs{List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		asked := (&client.ListOptions{}).ApplyOptions(options)
		into, _ := list.(*v1alpha1.ServerList)
		switch {
		case asked.Limit != pageSize:
			return fmt.Errorf("limit %d", asked.Limit)
		case asked.Continue == "":
			*into = page("second", "a", "b")
		case expired:
			expired = false
			return apierrors.NewResourceExpired("too old")
		default:
			*into = page("", "c")
		}
		return nil
	}}
	c := &cluster{WithWatch: fake.NewClientBuilder().WithScheme(engine.Scheme()).WithInterceptorFuncs(pages).Build()}
	objects, err := c.all(t.Context(), &v1alpha1.ServerList{}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, object := range objects {
		names = append(names, object.GetName())
	}
	if got := strings.Join(names, " "); got != "a b c" {
		t.Errorf("got %q, want each once", got)
	}
}
