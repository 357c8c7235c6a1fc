package apply

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
	"stargate.io/stargate/gitsync/tree"
)

// store is an API server as far as applying goes: it merges what is sent into what is there, and takes out
// what the same owner sent before and sends no more.
type store struct {
	t       *rapid.T
	objects map[tree.Key]map[string]any
	sent    map[tree.Key]map[string]any
	version int
}

func newStore(t *rapid.T) *store {
	return &store{t: t, objects: map[tree.Key]map[string]any{}, sent: map[tree.Key]map[string]any{}}
}

// live objects, typed as a cache holds them.
func (s *store) live() Live {
	var live Live
	for key, content := range s.objects {
		typed := emptyOf(key.Kind.Kind)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, typed); err != nil {
			s.t.Fatal(err)
		}
		live.Add(typed)
	}
	return live
}

// touched counts a version on.
func (s *store) touched(key tree.Key) {
	s.version++
	_ = unstructured.SetNestedField(s.objects[key], fmt.Sprint(s.version), "metadata", "resourceVersion")
	_ = unstructured.SetNestedField(s.objects[key], key.String(), "metadata", "uid")
}

// carryOut at most so many changes of a plan; all with -1.
func (s *store) carryOut(plan Plan, most int) {
	for i := range plan.Changes {
		if most == 0 {
			return
		}
		most--
		c := &plan.Changes[i]
		data, err := body(plan.Fleet, c, Stamp{Commit: "c", Number: 1})
		if err != nil {
			s.t.Fatal(err)
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(data); err != nil {
			s.t.Fatal(err)
		}
		s.objects[c.Key] = merge(s.objects[c.Key], s.sent[c.Key], u.Object).(map[string]any)
		s.sent[c.Key] = runtime.DeepCopyJSON(u.Object)
		s.touched(c.Key)
	}
	for _, p := range plan.Prunes {
		if most == 0 {
			return
		}
		most--
		delete(s.objects, p.Key)
		delete(s.sent, p.Key)
	}
}

// merge what is sent into what is there, given what the same owner sent before.
func merge(live, before, now any) any {
	switch want := now.(type) {
	case map[string]any:
		is, _ := live.(map[string]any)
		was, _ := before.(map[string]any)
		out := maps.Clone(is)
		if out == nil {
			out = map[string]any{}
		}
		for key := range was {
			if _, stays := want[key]; !stays {
				delete(out, key)
			}
		}
		for key, value := range want {
			out[key] = merge(is[key], was[key], value)
		}
		return out
	case []any:
		if named(want) {
			return mergeNamed(live, before, want)
		}
	}
	return runtime.DeepCopyJSONValue(now)
}

func mergeNamed(live, before any, want []any) any {
	is, _ := live.([]any)
	was, _ := before.([]any)
	find := func(list []any, name string) any {
		if i := slices.IndexFunc(list, func(x any) bool { return nameOf(x) == name }); i >= 0 {
			return list[i]
		}
		return nil
	}
	var out []any
	for _, item := range want {
		out = append(out, merge(find(is, nameOf(item)), find(was, nameOf(item)), item))
	}
	for _, item := range is {
		if find(want, nameOf(item)) == nil && find(was, nameOf(item)) == nil {
			out = append(out, item)
		}
	}
	return out
}

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

// drawCommit of servers, groups and profiles with fields that may be there or not.
func drawCommit(t *rapid.T) []Desired {
	var all []Desired
	for n := range rapid.IntRange(0, 5).Draw(t, "objects") {
		kind := pick(t, "kind", "Server", "ServerGroup", "ProvisioningProfile")
		spec := map[string]any{}
		may := func(field string, values ...any) {
			if rapid.Bool().Draw(t, field) {
				spec[field] = pick(t, field, values...)
			}
		}
		switch kind {
		case "Server":
			may("mac", "aa:bb:cc:dd:ee:01", "aa:bb:cc:dd:ee:02")
			may("paused", any(true), any(false))
			may("inventory", any(map[string]any{"sku": "x"}), any(map[string]any{"sku": "x", "location": "r1"}))
		case "ServerGroup":
			may("provisioningProfileRef", any(map[string]any{"name": "p"}))
			wave := func(name, soak string) any { return map[string]any{"name": name, "soak": soak} }
			may("rollout", any(map[string]any{"waves": []any{wave("a", "60m")}}),
				any(map[string]any{"maxFailures": int64(0), "waves": []any{wave("a", "1h"), wave("b", "5s")}}),
				any(map[string]any{"waves": []any{wave("b", "5s"), wave("a", "1h")}}))
		default:
			may("osVersion", "1", "2")
			may("userData", any(map[string]any{"inline": "#cloud-config"}))
		}
		metadata := map[string]any{"name": fmt.Sprintf("o%d", n), "namespace": "dc"}
		if rapid.Bool().Draw(t, "labelled") {
			metadata["labels"] = map[string]any{"rack": pick(t, "rack", "r1", "r2")}
		}
		o := &tree.Object{Content: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "stargate.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
		}}}
		if rapid.Bool().Draw(t, "typed") {
			typed := emptyOf(kind)
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Content.Object, typed); err != nil {
				t.Fatal(err)
			}
			o.Typed = typed
		}
		all = append(all, Desired{Object: o})
	}
	return all
}

// TestAppliedIsUnchanged: whatever was there, whatever others did to it and wherever the apply before was
// cut off, once a commit is carried out nothing of it differs.
func TestAppliedIsUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, memo := newStore(t), &Memo{}
		o := Options{Fleet: "f", Prune: true, Memo: memo}
		for range rapid.IntRange(1, 4).Draw(t, "commits") {
			commit := drawCommit(t)
			s.carryOut(Changes(commit, s.live(), o), rapid.IntRange(0, 4).Draw(t, "cut"))
			s.meddle()
			s.carryOut(Changes(commit, s.live(), o), -1)
			if plan := Changes(commit, s.live(), o); !plan.Empty() || plan.Unchanged != len(commit) {
				t.Fatalf("still differs: %+v", plan)
			}
			if plan := Changes(commit, s.live(), Options{Fleet: "f", Prune: true}); !plan.Empty() {
				t.Fatalf("differs without the memo: %+v", plan)
			}
			if len(s.objects) != len(commit) {
				t.Fatalf("%d objects of %d", len(s.objects), len(commit))
			}
		}
	})
}

// meddle with some objects, as people do.
func (s *store) meddle() {
	for _, key := range slices.SortedFunc(maps.Keys(s.objects), compareKeys) {
		object := s.objects[key]
		switch pick(s.t, "meddle", "", "", "label", "spec", "stamp", "status") {
		case "label":
			_ = unstructured.SetNestedField(object, pick(s.t, "rack", "r1", "r3"), "metadata", "labels", "rack")
		case "spec":
			for field := range object["spec"].(map[string]any) {
				unstructured.RemoveNestedField(object, "spec", field)
			}
		case "stamp":
			_ = unstructured.SetNestedField(object, "1 forged", "metadata", "annotations", pick(s.t, "stamp", stamps...))
		case "status":
			_ = unstructured.SetNestedField(object, int64(1), "status", "observedGeneration")
		default:
			continue
		}
		s.touched(key)
	}
}

// TestDriftOfAnyLeafIsSeen, and a field of another's never is.
func TestDriftOfAnyLeafIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStore(t)
		o := Options{Fleet: "f", Prune: true, Memo: &Memo{}}
		commit := drawCommit(t)
		s.carryOut(Changes(commit, s.live(), o), -1)
		if len(commit) == 0 {
			return
		}
		d := pick(t, "object", commit...)
		key := d.Object.Key()
		object := s.objects[key]
		_ = unstructured.SetNestedField(object, "theirs", "metadata", "labels", "mine")
		if spec := object["spec"].(map[string]any); key.Kind.Kind == "Server" && spec["reason"] == nil {
			spec["reason"] = "RMA"
		}
		s.touched(key)
		if plan := Changes(commit, s.live(), o); !plan.Empty() {
			t.Fatalf("what is others' is taken for drift: %+v", plan.Changes)
		}
		paths := leaves(nil, d.Object.Content.Object["spec"])
		if len(paths) == 0 {
			return
		}
		path := pick(t, "path", paths...)
		set(object["spec"], d.Object.Content.Object["spec"], path)
		s.touched(key)
		plan := Changes(commit, s.live(), o)
		if len(plan.Changes) != 1 || plan.Changes[0].Cause != CauseDrift || len(plan.Changes[0].Fields) == 0 || plan.Unchanged != len(commit)-1 {
			t.Fatalf("drift at %v is not seen: %+v", path, plan)
		}
	})
}

// leaves below a value, as paths of keys and indexes.
func leaves(at []any, value any) [][]any {
	var all [][]any
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "name" { // another name is another element
				all = append(all, leaves(append(slices.Clone(at), key), v[key])...)
			}
		}
		return all
	case []any:
		for i, item := range v {
			all = append(all, leaves(append(slices.Clone(at), i), item)...)
		}
		return all
	}
	return [][]any{at}
}

// set another value where the path leads.
func set(live, given any, path []any) {
	for i, step := range path {
		if name, ok := step.(string); ok && i == len(path)-1 {
			live.(map[string]any)[name] = another(live.(map[string]any)[name])
			return
		} else if ok {
			live, given = live.(map[string]any)[name], given.(map[string]any)[name]
			continue
		}
		given = given.([]any)[step.(int)]
		list := live.([]any)
		live = list[slices.IndexFunc(list, func(x any) bool { return nameOf(x) == nameOf(given) })]
	}
}

func another(value any) any {
	switch v := value.(type) {
	case bool:
		return !v
	case int64:
		return v + 1
	case string:
		if v == "60m" || v == "1h" || v == "5s" {
			return "7m"
		}
		return v + "0"
	}
	return nil
}

// TestListsAreComparedAsTheSchemasMergeThem holds what compare goes by against the CRDs.
func TestListsAreComparedAsTheSchemasMergeThem(t *testing.T) {
	crds, err := config.CRDs()
	if err != nil || len(crds) == 0 {
		t.Fatal(crds, err)
	}
	seen := 0
	for _, crd := range crds {
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		if emptyOf(kind) == nil {
			continue
		}
		versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
		spec, _, _ := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec")
		walkLists(kind+".spec", "spec", spec, func(path, last string, schema map[string]any) {
			seen++
			_, ofNamed, _ := unstructured.NestedMap(schema, "items", "properties", "name")
			want := "set"
			switch {
			case slices.Contains(atomic, last):
				want = "atomic"
			case ofNamed:
				want = "map"
			}
			if schema["x-kubernetes-list-type"] != want {
				t.Errorf("%s is merged as %v, and compared as %s", path, schema["x-kubernetes-list-type"], want)
			}
			if keys := fmt.Sprint(schema["x-kubernetes-list-map-keys"]); want == "map" && keys != "[name]" {
				t.Errorf("%s is merged by %s, and compared by name", path, keys)
			}
		})
	}
	if seen < 10 {
		t.Errorf("only %d lists", seen)
	}
}

func walkLists(path, last string, schema map[string]any, found func(path, last string, schema map[string]any)) {
	if whole := schema["x-kubernetes-map-type"] == "atomic"; whole != slices.Contains(atomicObjects, last) {
		panic(fmt.Sprintf("%s is replaced as a whole: %v, and compared otherwise", path, whole))
	}
	if schema["type"] == "array" {
		found(path, last, schema)
	}
	if items, ok := schema["items"].(map[string]any); ok {
		walkLists(path+"[]", last, items, found)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, inner := range properties {
		walkLists(path+"."+name, name, inner.(map[string]any), found)
	}
}

func manyServers(tb testing.TB, n int) ([]Desired, Live) {
	tb.Helper()
	desired, live := make([]Desired, n), Live{objects: make(map[tree.Key]Object, n)}
	for i := range n {
		o := &tree.Object{Content: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "stargate.io/v1alpha1", "kind": "Server",
			"metadata": map[string]any{
				"name": fmt.Sprintf("server-%05d", i), "namespace": fmt.Sprintf("dc-%d", i%10),
				"labels": map[string]any{"role": "web", "rack": fmt.Sprintf("r%03d", i%100)},
			},
			"spec": map[string]any{
				"mac":  fmt.Sprintf("aa:bb:cc:%02x:%02x:%02x", i>>16, i>>8&255, i&255),
				"ipv4": fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), "inventory": map[string]any{"sku": "x"},
				"bmc": map[string]any{"address": "https://bmc", "credentialsRef": map[string]any{"name": "bmc"}},
			},
		}}}
		typed := &v1alpha1.Server{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Content.Object, typed); err != nil {
			tb.Fatal(err)
		}
		o.Typed = typed
		desired[i].Object = o
		is := applied(tb, o, "f")
		is.SetUID(types.UID(fmt.Sprint(i)))
		live.Add(is)
	}
	return desired, live
}

// BenchmarkChanges compares 10,000 servers of which none changed: again, for the first time, and where
// each live one moved meanwhile.
func BenchmarkChanges(b *testing.B) {
	desired, live := manyServers(b, 10_000)
	run := func(name string, memo func() *Memo) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if plan := Changes(desired, live, Options{Fleet: "f", Prune: true, Memo: memo()}); plan.Unchanged != len(desired) {
					b.Fatalf("%d unchanged", plan.Unchanged)
				}
			}
		})
	}
	again := &Memo{}
	run("again", func() *Memo { return again })
	run("first", func() *Memo { return &Memo{} })
	Changes(desired, live, Options{Fleet: "f", Memo: again})
	run("moved", func() *Memo { return &Memo{content: again.content} })
	for i := range desired {
		o := *desired[i].Object
		o.Typed = nil
		desired[i].Object = &o
	}
	run("untyped", func() *Memo { return &Memo{} })
}
