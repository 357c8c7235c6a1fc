package apply

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// read a YAML document as an object of a commit.
func read(tb testing.TB, text string) *tree.Object {
	tb.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		tb.Fatal(err)
	}
	o := &tree.Object{Place: tree.Place{File: "f.yaml", Line: 3}, Content: u}
	if typed := emptyOf(u.GetKind()); typed != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
			tb.Fatal(err)
		}
		o.Typed = typed
	}
	return o
}

func emptyOf(kind string) Object {
	switch kind {
	case "Server":
		return &v1alpha1.Server{}
	case "ServerGroup":
		return &v1alpha1.ServerGroup{}
	case "ProvisioningProfile":
		return &v1alpha1.ProvisioningProfile{}
	case "Policy":
		return &v1alpha1.Policy{}
	case "Hook":
		return &v1alpha1.Hook{}
	case "Datacenter":
		return &v1alpha1.Datacenter{}
	}
	return nil
}

// applied gives the live object that results of sending a desired one, typed where it is of ours.
func applied(tb testing.TB, o *tree.Object, fleet string) Object {
	tb.Helper()
	content := runtime.DeepCopyJSON(sent(o))
	live := emptyOf(o.Content.GetKind())
	if live == nil {
		live = &unstructured.Unstructured{Object: content}
	} else if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, live); err != nil {
		tb.Fatal(err)
	}
	annotations := live.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationCommit] = "abc"
	annotations[AnnotationDigest] = contentDigest(sent(o)) + "-" + stampDigest(annotations)
	live.SetAnnotations(annotations)
	labels := live.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.LabelFleet] = fleet
	live.SetLabels(labels)
	live.SetUID(types.UID(live.GetNamespace() + "/" + live.GetName()))
	live.SetResourceVersion("1")
	return live
}

const aServer = `
apiVersion: stargate.io/v1alpha1
kind: Server
metadata: {name: s1, namespace: dc, labels: {rack: r1}, annotations: {team: core}}
spec: {mac: "aa:bb:cc:dd:ee:01", ipv4: 10.0.0.1, paused: false}
`

const aGroup = `
apiVersion: stargate.io/v1alpha1
kind: ServerGroup
metadata: {name: web, namespace: dc}
spec:
  selector: {matchExpressions: [{key: role, operator: In, values: [a, b]}]}
  provisioningProfileRef: {name: web}
  rollout:
    waves:
    - {name: canary, size: 1, soak: 60m}
    - {name: rest, size: "50%"}
`

const aPolicy = `
apiVersion: stargate.io/v1alpha1
kind: Policy
metadata: {name: p}
spec:
  match: {namespaces: [a, b]}
  rules: [{name: r, expression: "true", effect: Deny}]
`

const aSecret = `
apiVersion: v1
kind: Secret
metadata: {name: bmc, namespace: dc}
stringData: {password: hunter2}
`

func TestUnchangedIsNothing(t *testing.T) {
	var desired []Desired
	var live Live
	for _, text := range []string{aServer, aGroup, aPolicy, aSecret} {
		o := read(t, text)
		desired = append(desired, Desired{Object: o})
		live.Add(applied(t, o, "f"))
	}
	memo := &Memo{}
	for range 3 {
		plan := Changes(desired, live, Options{Fleet: "f", Prune: true, Memo: memo})
		if !plan.Empty() || plan.Unchanged != 4 {
			t.Fatalf("not unchanged: %+v", plan)
		}
		if plan.Inventory.Objects != 4 || len(plan.Inventory.Kinds) != 4 || plan.Inventory.Kinds[0].Kind != "Secret" {
			t.Errorf("inventory: %+v", plan.Inventory)
		}
	}
	if len(memo.seen) != 4 || len(memo.content) != 4 {
		t.Errorf("remembered %d and %d", len(memo.seen), len(memo.content))
	}
}

// TestWhatDiffers edits the live object or the desired text, and says which fields are told.
func TestWhatDiffers(t *testing.T) {
	for _, c := range []struct {
		name, text string
		edit       func(live Object)
		replace    [2]string
		cause      Cause
		fields     string
	}{
		{"label of another's", aServer, func(l Object) { l.GetLabels()["x"] = "y" }, [2]string{}, "", ""},
		{"label moved", aServer, func(l Object) { l.GetLabels()["rack"] = "r2" }, [2]string{}, CauseDrift, "metadata.labels[rack]: r2 -> r1"},
		{"annotation lost", aServer, func(l Object) { delete(l.GetAnnotations(), "team") }, [2]string{}, CauseDrift, "metadata.annotations[team]:  -> core"},
		{"fleet label lost", aServer, func(l Object) { delete(l.GetLabels(), v1alpha1.LabelFleet) }, [2]string{}, CauseDrift, "metadata.labels[stargate.io/fleet]:  -> f"},
		{"digest lost", aServer, func(l Object) { delete(l.GetAnnotations(), AnnotationDigest) }, [2]string{}, CauseContent, ""},
		{"stamp forged", aServer, func(l Object) { l.GetAnnotations()[v1alpha1.AnnotationCommit] = "beef" }, [2]string{}, CauseDrift, "metadata.annotations: stamps that another wrote -> "},
		{"explicit zero", aServer, func(l Object) { l.(*v1alpha1.Server).Spec.Paused = true }, [2]string{}, CauseDrift, "spec.paused: true -> false"},
		{"others' field", aServer, func(l Object) { l.(*v1alpha1.Server).Spec.Maintenance = true }, [2]string{}, "", ""},
		{"status", aServer, func(l Object) { l.(*v1alpha1.Server).Status.State = v1alpha1.ServerReady }, [2]string{}, "", ""},
		{"owned field", aServer, func(l Object) { l.(*v1alpha1.Server).Spec.IPv4 = "" }, [2]string{}, CauseDrift, "spec.ipv4:  -> 10.0.0.1"},
		{"wave's soak", aGroup, func(l Object) {
			l.(*v1alpha1.ServerGroup).Spec.Rollout.Waves[0].Soak = &metav1.Duration{Duration: time.Minute}
		}, [2]string{}, CauseDrift, "spec.rollout.waves[canary].soak: 1m0s -> 1h0m0s"},
		{"waves swapped", aGroup, func(l Object) {
			w := l.(*v1alpha1.ServerGroup).Spec.Rollout.Waves
			w[0], w[1] = w[1], w[0]
		}, [2]string{}, CauseDrift, `spec.rollout.waves: ["rest","canary"] -> ["canary","rest"]`},
		{"wave of another's", aGroup, func(l Object) {
			r := &l.(*v1alpha1.ServerGroup).Spec.Rollout
			r.Waves = append(r.Waves, v1alpha1.Wave{Name: "more"})
		}, [2]string{}, "", ""},
		{"selector widened", aGroup, func(l Object) {
			e := &l.(*v1alpha1.ServerGroup).Spec.Selector.MatchExpressions[0]
			e.Values = append(e.Values, "c")
		}, [2]string{}, CauseDrift, `spec.selector: {"matchExpressions":[{"key":"role","operator":"In","values":["a","b","c"]}]} -> {"matchExpressions":[{"key":"role","operator":"In","values":["a","b"]}]}`},
		{"selector with one label more", aGroup, func(l Object) {
			l.(*v1alpha1.ServerGroup).Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"canary": "true"}
		}, [2]string{}, CauseDrift, `spec.selector: {"matchExpressions":[{"key":"role","operator":"In","values":["a","b"]}],"matchLabels":{"canary":"true"}} -> {"matchExpressions":[{"key":"role","operator":"In","values":["a","b"]}]}`},
		{"set of another's", aPolicy, func(l Object) {
			m := &l.(*v1alpha1.Policy).Spec.Match
			m.Namespaces = append(m.Namespaces, "c")
		}, [2]string{}, "", ""},
		{"set lost one", aPolicy, func(l Object) {
			m := &l.(*v1alpha1.Policy).Spec.Match
			m.Namespaces = m.Namespaces[:1]
		}, [2]string{}, CauseDrift, `spec.match.namespaces: ["a"] -> ["a","b"]`},
		{"secret", aSecret, func(l Object) {
			_ = unstructured.SetNestedField(l.(*unstructured.Unstructured).Object, "eA==", "data", "password")
		}, [2]string{}, CauseDrift, "data.password: (secret) -> (secret)"},
		{"content", aServer, nil, [2]string{"10.0.0.1", "10.0.0.2"}, CauseContent, "spec.ipv4: 10.0.0.1 -> 10.0.0.2"},
		{"content less", aServer, nil, [2]string{"ipv4: 10.0.0.1, ", ""}, CauseContent, "spec.ipv4: 10.0.0.1 -> "},
		{"label less", aServer, nil, [2]string{", labels: {rack: r1}", ""}, CauseContent, "metadata.labels[rack]: r1 -> "},
		{"wave less", aGroup, nil, [2]string{`    - {name: rest, size: "50%"}`, ""}, CauseContent, `spec.rollout.waves[rest]: {"name":"rest","size":"50%"} -> `},
		{"duration said otherwise", aGroup, nil, [2]string{"60m", "1h"}, CauseContent, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			live := applied(t, read(t, c.text), "f")
			if c.edit != nil {
				c.edit(live)
			}
			o := read(t, strings.Replace(c.text, c.replace[0], c.replace[1], 1))
			plan := Changes([]Desired{{Object: o}}, LiveOf(live), Options{Fleet: "f"})
			var cause Cause
			var fields []string
			for _, change := range plan.Changes {
				cause = change.Cause
				for _, f := range change.Fields {
					fields = append(fields, fmt.Sprintf("%s: %s -> %s", f.Path, f.Old, f.New))
				}
			}
			if got := strings.Join(fields, "\n"); cause != c.cause || got != c.fields {
				t.Errorf("got %q\n%s\nwant %q\n%s", cause, got, c.cause, c.fields)
			}
		})
	}
}
