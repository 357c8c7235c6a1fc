package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/test/cluster"
)

// suite is what the scripts' own commands work on.
type suite struct {
	cluster *cluster.Cluster
	client  client.Client
}

type command = func(ts *testscript.TestScript, neg bool, args []string)

func (s *suite) commands() map[string]command {
	return map[string]command{
		"apply":  s.apply,
		"status": s.status,
		"play":   s.play,
		"forget": s.forget,
		"code":   code,
		"scrub":  scrub,
	}
}

// apply FILE puts objects into the script's namespace.
func (s *suite) apply(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		objects, err := cluster.Decode([]byte(ts.ReadFile(file)))
		ts.Check(err)
		for _, object := range objects {
			switch object.GetKind() {
			case "Fleet", "Policy", "Hook": // which are in no namespace
			default:
				object.SetNamespace(ts.Getenv("NS"))
			}
		}
		ts.Check(s.cluster.Apply(context.Background(), objects...))
	}
}

// status KIND NAME JSON writes into an object's status what a controller would. A condition gets its
// time, and the status its observedGeneration, where the script does not say.
func (s *suite) status(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: status KIND NAME JSON")
	}
	ts.Check(s.writeStatus(ts.Getenv("NS"), args[0], args[1], args[2]))
}

func (s *suite) writeStatus(namespace, kind, name, text string) error {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: kind})
	ctx := context.Background()
	if err := s.client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, object); err != nil {
		return err
	}
	status := map[string]any{}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		return err
	}
	// REQUESTED stands for the request that was made last.
	if status["lastHandledRequestedAt"] == "REQUESTED" {
		status["lastHandledRequestedAt"] = object.GetAnnotations()[v1alpha1.AnnotationRequestedAt]
	}
	if status["observedGeneration"] == nil {
		status["observedGeneration"] = object.GetGeneration()
	}
	conditions, _ := status["conditions"].([]any)
	for _, each := range conditions {
		if condition, ok := each.(map[string]any); ok && condition["lastTransitionTime"] == nil {
			condition["lastTransitionTime"] = "2026-01-02T03:04:05Z"
			condition["observedGeneration"] = object.GetGeneration()
		}
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	return s.client.Status().Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
}

// forget KIND NAME deletes an object, and lets it go as a controller would.
func (s *suite) forget(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: forget KIND NAME")
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: args[0]})
	object.SetNamespace(ts.Getenv("NS"))
	object.SetName(args[1])
	ctx := context.Background()
	ts.Check(s.client.Delete(ctx, object))
	ts.Check(client.IgnoreNotFound(s.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))))
}

// code N COMMAND... runs a command that ends with that exit code.
func code(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	wanted, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, ts.Exec(args[1], args[2:]...)); got != wanted {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, wanted)
	}
}

func exitCode(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	ts.Fatalf("running: %v", err)
	return -1
}

var scrubs = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UID"},
	{regexp.MustCompile(`(resourceVersion"?: )"\d+"`), `${1}"N"`},
	{regexp.MustCompile(`https://127\.0\.0\.1:\d+`), "https://API"},
	{regexp.MustCompile(`\bv1\.\d+\.\d+\b`), "vKUBERNETES"},
	{regexp.MustCompile(`"go\d+\.[^"]+"`), `"GO"`},
	{regexp.MustCompile(`"[a-z]+/(amd64|arm64)"`), `"OS/ARCH"`},
	// An age keeps the width that it had, as a table was laid out with it.
	{regexp.MustCompile(`(?m)(  +)\d(s |s$)`), "${1}AGE"},
	{regexp.MustCompile(`(?m)(  +)\d\ds\b`), "${1}AGE"},
}

// scrub leaves out of stdout what differs from run to run. Then cmp can compare it (UPDATE=1 go test
// writes what it is now).
func scrub(ts *testscript.TestScript, _ bool, _ []string) {
	_, err := ts.Stdout().Write([]byte(scrubbed(ts.ReadFile("stdout"), ts.Getenv("NS"))))
	ts.Check(err)
}
