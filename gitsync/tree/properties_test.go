package tree

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree/treetest"
)

var strict = Options{Fleet: "prod"}

func withSchemas() Options {
	o := strict
	o.Schemas = installed()
	o.AllowKinds = []v1alpha1.ForeignKind{"Namespace", "ConfigMap", "Secret"}
	return o
}

// TestOrderOfFilesDoesNotMatter: whatever the order, the same objects or the same problems.
func TestOrderOfFilesDoesNotMatter(t *testing.T) {
	cases := append(treetest.Broken(1), treetest.Broken(2)...)
	rapid.Check(t, func(t *rapid.T) {
		files := treetest.Whole(rapid.Uint64().Draw(t, "seed"))
		if n := rapid.IntRange(-len(cases), len(cases)-1).Draw(t, "case"); n >= 0 && !strings.HasPrefix(cases[n].Name, "bomb") {
			files = cases[n].Files
		}
		sorted := filesOf(files)
		first := outcome(Read(sorted, withSchemas()))
		again := outcome(Read(rapid.Permutation(sorted).Draw(t, "order"), withSchemas()))
		if first != again {
			t.Fatalf("in one order:\n%s\nin another:\n%s", first, again)
		}
	})
}

// TestManyProblemsAreCapped: the last line says how many more there are.
func TestManyProblemsAreCapped(t *testing.T) {
	var b strings.Builder
	for range 300 {
		b.WriteString("---\nkind: Nothing\n")
	}
	_, problems := Read([]File{{Path: "a.yaml", Data: []byte(b.String())}}, strict)
	if last := problems[len(problems)-1]; len(problems) != 201 || last.Message != "and 100 more problems from here on" {
		t.Fatalf("%d problems, the last %v", len(problems), last)
	}
}

// TestSecretsAreNotTold: whatever is wrong with a Secret, no message holds what is in it.
func TestSecretsAreNotTold(t *testing.T) {
	const canary = "hunter2"
	for _, text := range []string{
		"data: {a: hunter2}", "data: {hunter2 x: a}", "data: {hunter2: }", "data: hunter2", "stringData: [hunter2]", "hunter2: x", "hunter2 x: [y]", "type: hunter2",
		"stringData: {a: &hunter2 b, c: *hunter2x}", "stringData: {a: \"hunter2\\q\"}", "stringData: {a: hunter2: x}", "stringData: {a: !hunter2 x}", "stringData: {a: b\nhunter2",
		"stringData: {hunter2: a, hunter2: b}", "stringData: {1: hunter2}", "stringData:\n\thunter2: x", "immutable: hunter2", "stringData: {a: [hunter2]}", "data: {hunter2: 17}",
		"type: [hunter2]", "stringData: {a: \"hunter2", "<<: hunter2",
	} {
		files := filesOf(treetest.Whole(1))
		files = append(files, File{Path: "datacenters/west/secret.yaml", Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n" + text + "\n")})
		_, problems := Read(files, withSchemas())
		for _, p := range problems {
			if strings.Contains(p.String()+p.Field, canary) {
				t.Errorf("%q is told as %s (%s)", text, p, p.Field)
			}
		}
	}
}

// TestMeansWhatKubectlMeans: a document means here what sigs.k8s.io/yaml makes of it, or is refused.
func TestMeansWhatKubectlMeans(t *testing.T) {
	for _, text := range []string{
		"1", "-1", "0x1f", "0o17", "017", "1_000", "1.0", "1.5", "1e3", "1e400", "12345678901234567890", "0b11", "+1", ".5", "1.", "yes", "No", "on", "OFF", "y", "n", "true", "True",
		"~", "null", "''", "'yes'", "!!str yes", "!!str 1", "!!int '1'", "!!float 1", "2024-01-01", "2024-01-01T00:00:00Z", "52:54:00:12:34:56", "12:34", "10.0.0.1", "a", "\"a\\tb\"",
		"|\n  a\n  b\n", ">-\n  a\n  b\n", "[1, a, yes]", "{a: 1, b: [no]}", "=", "<<", "0777", "08", "1e3x", "-.5e-3", "0.1", "1e21", "9007199254740993", "&a x",
	} {
		compareWithKubectl(t, []byte("v: "+text+"\n"))
	}
}

func compareWithKubectl(t *testing.T, text []byte) {
	t.Helper()
	c := chunk{file: "a.yaml", text: text}
	roots, problems := parse(c, DefaultLimits())
	if len(problems) > 0 || len(roots) != 1 || bounded(c, roots[0], DefaultLimits()) != nil {
		return
	}
	w := writer{chunk: c}
	got := w.value(roots[0])
	if len(w.problems) > 0 {
		return
	}
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		t.Errorf("%q: kubectl refuses it (%v), and here it is %#v", text, err, got)
		return
	}
	mine, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(asJSON, &a) != nil || json.Unmarshal(mine, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%q is %s to kubectl, and %s here", text, asJSON, mine)
	}
}

// FuzzRead: no input makes it panic; the same input gives the same outcome; problems are sound; and what is taken is
// the same when it is written out and read again.
func FuzzRead(f *testing.F) {
	for _, c := range treetest.Broken(1) {
		if text := c.Files[c.WantFile]; len(text) < 10_000 {
			f.Add(c.WantFile, []byte(text))
		}
	}
	for path, text := range treetest.Whole(1) {
		f.Add(path, []byte(text))
	}
	f.Fuzz(func(t *testing.T, path string, text []byte) {
		if path == "" || len(text) > 1<<16 {
			return
		}
		files := []File{{Path: path, Data: text}, {Path: "profiles/base.yaml", Data: []byte(treetest.Whole(1)["profiles/base.yaml"])}}
		tree, problems := Read(files, withSchemas())
		if again := outcome(Read(files, withSchemas())); again != outcome(tree, problems) {
			t.Fatalf("twice the same commit:\n%s\n%s", outcome(tree, problems), again)
		}
		if (tree == nil) == (len(problems) == 0) {
			t.Fatal("neither a tree nor problems, or both")
		}
		for _, p := range problems {
			sound(t, path, p)
		}
		if tree != nil {
			writtenAgain(t, tree)
		}
	})
}

// writtenAgain reads each object as it would be written, alone in a file.
func writtenAgain(t *testing.T, tree *Tree) {
	t.Helper()
	var files []File
	for _, o := range tree.Objects {
		text, err := yaml.Marshal(o.Content.Object)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Path: "o" + strings.NewReplacer("/", "_", " ", "_").Replace(o.Key().String()) + ".yaml", Data: text})
	}
	again, problems := Read(files, withSchemas())
	if len(problems) > 0 {
		t.Fatalf("what was taken is not taken again: %s", lines(problems))
	}
	for n, o := range tree.Objects {
		if other := again.Objects[n]; !reflect.DeepEqual(o.Content.Object, other.Content.Object) || !reflect.DeepEqual(o.Typed, other.Typed) {
			t.Fatalf("%s is another object when it is read again:\n%v\n%v", o.Key(), o.Content.Object, other.Content.Object)
		}
		if o.Typed == nil {
			continue
		}
		if _, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o.Typed); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTypedKeepsDefaults: what is sent has no defaults, and the type has them.
func TestTypedKeepsDefaults(t *testing.T) {
	tree, problems := Read(filesOf(treetest.Whole(1)), withSchemas())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	group := tree.Groups()[0]
	if group.Spec.Rollout.OnFailure != v1alpha1.FailurePause || group.Spec.Rollout.MaxUnavailable.IntValue() != 1 {
		t.Errorf("no defaults in %+v", group.Spec.Rollout)
	}
	for _, o := range tree.Objects {
		if text, _ := json.Marshal(o.Content.Object); bytes.Contains(text, []byte("onFailure")) || bytes.Contains(text, []byte("onUnknownOutcome")) {
			t.Errorf("defaults in %s", text)
		}
	}
}
