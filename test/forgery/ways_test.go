package forgery

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"stargate.io/stargate/api/v1alpha1"
)

// change is what a request wants to have of an object.
type change struct {
	annotations, labels map[string]string
	status              map[string]any
	// gone are annotations that are taken away.
	gone []string
}

// kind of object that is written, and the least that one says.
type kind struct {
	name, plural string
	namespaced   bool
	spec         map[string]any
}

var (
	operations = kind{"Operation", "operations", true, map[string]any{"operation": "reboot", "serverRef": map[string]any{"name": "server-001"}}}
	groups     = kind{"ServerGroup", "servergroups", true, map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"role": "none"}}, "provisioningProfileRef": map[string]any{"name": "os"}}}
	servers     = kind{"Server", "servers", true, map[string]any{"mac": "aa:bb:cc:dd:ee:01"}}
	profiles    = kind{"ProvisioningProfile", "provisioningprofiles", true, map[string]any{"osVersion": "2.0.0"}}
	datacenters = kind{"Datacenter", "datacenters", true, map[string]any{"driver": "dcapi", "endpoint": "http://127.0.0.1:9"}}
	policies    = kind{"Policy", "policies", false, map[string]any{"rules": []any{map[string]any{"name": "r", "expression": "true", "effect": "Hold", "message": "m"}}}}
	hooks       = kind{"Hook", "hooks", false, map[string]any{"when": "Before", "script": "function run(ctx) return ctx.done() end"}}
	fleets      = kind{"Fleet", "fleets", false, map[string]any{"url": "https://git.example.com/fleet.git", "suspend": true}}
)

func (k kind) in(w *world) dynamic.ResourceInterface {
	all := w.objects.Resource(schema.GroupVersionResource{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Resource: k.plural})
	if k.namespaced {
		return all.Namespace(w.namespace)
	}
	return all
}

// attempt is one request of one person.
type attempt struct {
	*person
	kind
	object string
	change change
	// live is the object as it stands, for those who write the whole of it; nil for a new one.
	live *unstructured.Unstructured
}

// bare is the least manifest that says what is wanted.
func (a *attempt) bare() map[string]any {
	metadata := map[string]any{"name": a.object}
	if a.namespaced {
		metadata["namespace"] = a.namespace
	}
	return a.onto(map[string]any{"apiVersion": v1alpha1.GroupVersion.String(), "kind": a.kind.name, "metadata": metadata, "spec": a.spec})
}

// whole is the object as it stands, with what is wanted of it.
func (a *attempt) whole() map[string]any { return a.onto(a.live.DeepCopy().Object) }

func (a *attempt) onto(object map[string]any) map[string]any {
	metadata := object["metadata"].(map[string]any)
	for field, texts := range map[string]map[string]string{"annotations": a.change.annotations, "labels": a.change.labels} {
		all, _ := metadata[field].(map[string]any)
		if all == nil {
			all = map[string]any{}
		}
		for key, text := range texts {
			all[key] = text
		}
		if field == "annotations" {
			for _, key := range a.change.gone {
				delete(all, key)
			}
		}
		if len(all) > 0 {
			metadata[field] = all
		}
	}
	if a.change.status != nil {
		object["status"] = a.change.status
	}
	return object
}

// merge is a merge patch of what is wanted.
func (a *attempt) merge() string {
	annotations := map[string]any{}
	for key, text := range a.change.annotations {
		annotations[key] = text
	}
	for _, key := range a.change.gone {
		annotations[key] = nil
	}
	patch := map[string]any{"metadata": map[string]any{"annotations": annotations, "labels": a.change.labels}}
	if a.change.status != nil {
		patch["status"] = a.change.status
	}
	return text(patch)
}

// operationsOf a JSON patch of what is wanted.
func (a *attempt) jsonPatch() string {
	metadata, _ := a.live.Object["metadata"].(map[string]any)
	var patch []map[string]any
	for field, texts := range map[string]map[string]string{"annotations": a.change.annotations, "labels": a.change.labels} {
		if _, there := metadata[field]; !there && len(texts) > 0 {
			patch = append(patch, map[string]any{"op": "add", "path": "/metadata/" + field, "value": map[string]any{}})
		}
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			patch = append(patch, map[string]any{"op": "add", "path": "/metadata/" + field + "/" + strings.ReplaceAll(key, "/", "~1"), "value": texts[key]})
		}
	}
	for _, key := range a.change.gone {
		patch = append(patch, map[string]any{"op": "remove", "path": "/metadata/annotations/" + strings.ReplaceAll(key, "/", "~1")})
	}
	if a.change.status != nil {
		patch = append(patch, map[string]any{"op": "add", "path": "/status", "value": a.change.status})
	}
	return text(patch)
}

func text(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // maps and strings always marshal
	}
	return string(b)
}

func (a *attempt) file(t *testing.T, content map[string]any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "object.json")
	must(t, os.WriteFile(path, []byte(text(content)), 0o600))
	return path
}

// way to write an object.
type way struct {
	name string
	// makes a new object; else it writes upon one that is there.
	makes bool
	// removes: it can take away what is there.
	removes bool
	// never works on custom kinds, whatever is written.
	never bool
	// status is the subresource; the rest of the object does not change through it.
	status bool
	do     func(t *testing.T, a *attempt) (string, error)
}

func (a *attempt) on() string { return a.plural + ".stargate.io" }

func ways() []way {
	patch := func(kind string, body func(*attempt) string, more ...string) func(*testing.T, *attempt) (string, error) {
		return func(t *testing.T, a *attempt) (string, error) {
			return a.kubectl(t, append([]string{"patch", a.on(), a.object, "--type=" + kind, "-p", body(a)}, more...)...)
		}
	}
	manifest := func(content func(*attempt) map[string]any, verb ...string) func(*testing.T, *attempt) (string, error) {
		return func(t *testing.T, a *attempt) (string, error) {
			return a.kubectl(t, append(slices.Clone(verb), "-f", a.file(t, content(a)))...)
		}
	}
	return []way{
		{name: "create", makes: true, do: manifest((*attempt).bare, "create")},
		{name: "apply, new", makes: true, do: manifest((*attempt).bare, "apply")},
		{name: "apply --server-side --force-conflicts, new", makes: true, do: manifest((*attempt).bare, "apply", "--server-side", "--force-conflicts")},
		{name: "apply", do: manifest((*attempt).bare, "apply")},
		{name: "apply --server-side --force-conflicts", do: manifest((*attempt).bare, "apply", "--server-side", "--force-conflicts")},
		{name: "patch --type=merge", removes: true, do: patch("merge", (*attempt).merge)},
		{name: "patch --type=json", removes: true, do: patch("json", (*attempt).jsonPatch)},
		{name: "patch --type=strategic", removes: true, never: true, do: patch("strategic", (*attempt).merge)},
		{name: "replace", removes: true, do: manifest((*attempt).whole, "replace")},
		{name: "annotate, label", removes: true, do: annotate},
		{name: "edit", removes: true, do: func(t *testing.T, a *attempt) (string, error) {
			return a.kubectlWith(t, []string{"KUBE_EDITOR=cp " + a.file(t, a.whole())}, "edit", a.on(), a.object)
		}},
		{name: "patch --subresource=status", removes: true, status: true, do: patch("merge", (*attempt).merge, "--subresource=status")},
		{name: "replace --subresource=status", removes: true, status: true, do: manifest((*attempt).whole, "replace", "--subresource=status")},
		{name: "apply --server-side --subresource=status", status: true, do: manifest((*attempt).bare, "apply", "--server-side", "--force-conflicts", "--subresource=status")},
	}
}

// annotate says no more than annotations and labels.
func annotate(t *testing.T, a *attempt) (string, error) {
	t.Helper()
	for verb, texts := range map[string]map[string]string{"annotate": a.change.annotations, "label": a.change.labels} {
		args := []string{verb, a.on(), a.object, "--overwrite"}
		for key, value := range texts {
			args = append(args, key+"="+value)
		}
		if verb == "annotate" {
			for _, key := range a.change.gone {
				args = append(args, key+"-")
			}
		}
		if len(args) == 4 {
			continue
		}
		if out, err := a.kubectl(t, args...); err != nil {
			return out, err
		}
	}
	return "", nil
}

// make an object as it honestly is, by somebody else.
func (w *world) make(t *testing.T, k kind, by *person, name string, annotations map[string]string) *unstructured.Unstructured {
	t.Helper()
	a := &attempt{person: by, kind: k, object: name, change: change{annotations: annotations}}
	if out, err := by.kubectl(t, "create", "-f", a.file(t, a.bare())); err != nil {
		t.Fatalf("making %s %s: %v\n%s", k.name, name, err, out)
	}
	return w.read(t, k, name)
}

func (w *world) read(t *testing.T, k kind, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := k.in(w).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(fmt.Errorf("reading %s %s: %w", k.name, name, err))
	}
	return object
}
