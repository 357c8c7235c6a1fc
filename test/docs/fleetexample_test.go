package docs_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/engine/profile"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/test/cluster"
)

// exampleFiles are those of the example that a fleet reads.
func exampleFiles(t *testing.T) []tree.File {
	t.Helper()
	const root = "../../fleet-example"
	var files []tree.File
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		switch {
		case strings.HasPrefix(entry.Name(), ".") && entry.IsDir() && name != ".":
			return filepath.SkipDir
		case entry.IsDir(), strings.HasPrefix(entry.Name(), "."):
			return nil
		}
		data, err := os.ReadFile(path)
		files = append(files, tree.File{Path: filepath.ToSlash(name), Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func schemas(t *testing.T) *tree.Schemas {
	t.Helper()
	objects, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, object := range objects {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, crd); err != nil {
			t.Fatal(err)
		}
		crds = append(crds, crd)
	}
	compiled, err := tree.Compile(crds)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func example(t *testing.T, files []tree.File) *tree.Tree {
	t.Helper()
	read, problems := tree.Read(files, tree.Options{Fleet: "example", Schemas: schemas(t)})
	for _, problem := range problems {
		t.Error(problem)
	}
	if read == nil {
		t.FailNow()
	}
	return read
}

// TestFleetExample: the example is what its README says, and every template of its profiles can be filled in for every server that
// gets it.
func TestFleetExample(t *testing.T) {
	read := example(t, exampleFiles(t))
	if got := len(read.Servers()); got != 40 {
		t.Errorf("%d servers, want 40", got)
	}
	if got := len(read.Groups()); got != 4 {
		t.Errorf("%d groups, want 4", got)
	}
	if read.Guard == nil || read.Guard.MaxRepaves.String() != "80%" {
		t.Errorf("guard %v", read.Guard)
	}
	profiles := map[string]*v1alpha1.ProvisioningProfile{}
	for _, each := range read.Profiles() {
		profiles[each.Namespace+"/"+each.Name] = each
	}
	taken := map[string]string{}
	for _, group := range read.Groups() {
		if group.Spec.Rollout.SpreadBy != "rack" {
			t.Errorf("%s/%s does not have the defaults of fleet.yaml", group.Namespace, group.Name)
		}
		object := profiles[group.Namespace+"/"+group.Spec.ProvisioningProfileRef.Name]
		if object == nil {
			t.Fatalf("%s/%s has no profile in its namespace", group.Namespace, group.Name)
		}
		for _, server := range members(t, group, read.Servers()) {
			name := server.Namespace + "/" + server.Name
			if taken[name] != "" {
				t.Errorf("%s is taken by %s and %s", name, taken[name], group.Name)
			}
			taken[name] = group.Name
			documents := profile.Documents{}
			if data := object.Spec.UserData; data != nil {
				documents.UserData = data.Inline
			}
			if _, err := profile.Render(&object.Spec, documents, server); err != nil {
				t.Errorf("%s with %s: %v", name, object.Name, err)
			}
		}
	}
	if len(taken) != 40 {
		t.Errorf("groups take %d servers, want all 40", len(taken))
	}
}

func members(t *testing.T, group *v1alpha1.ServerGroup, servers []*v1alpha1.Server) []*v1alpha1.Server {
	t.Helper()
	selector, err := group.Spec.Selector.Selector()
	if err != nil {
		t.Fatal(err)
	}
	var some []*v1alpha1.Server
	for _, server := range servers {
		if server.Namespace == group.Namespace && selector.Matches(labels.Set(server.Labels)) {
			some = append(some, server)
		}
	}
	return some
}

// TestFleetExampleIsTaken: an API server takes every object of the example.
func TestFleetExampleIsTaken(t *testing.T) {
	read := example(t, exampleFiles(t))
	c := cluster.Start(t)
	kube, err := client.New(c.Config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, object := range read.Objects {
		if namespace := object.Content.GetNamespace(); namespace != "" && !made[namespace] {
			made[namespace] = true
			makeNamespace(t, kube, namespace)
		}
		content := object.Content.DeepCopy()
		if err := kube.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(content), client.FieldOwner("test"), client.DryRunAll); err != nil {
			t.Errorf("%s: %v", object.Place, err)
		}
	}
}

func makeNamespace(t *testing.T, kube client.Client, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := kube.Create(context.Background(), namespace); err != nil {
		t.Fatal(err)
	}
}

// TestFleetExampleSlips: the mistakes that its files invite are told where they are.
func TestFleetExampleSlips(t *testing.T) {
	for name, slip := range map[string]struct{ file, from, to, want string }{
		"a field mistyped": {"datacenters/dc-west/groups.yaml", "maxUnavailable: 1", "maxUnavailible: 1", "datacenters/dc-west/groups.yaml:"},
		"no such profile":  {"datacenters/dc-east/groups.yaml", "name: gpu\n  rollout", "name: gpu2\n  rollout", "gpu2"},
		"a MAC twice":      {"datacenters/dc-west/racks/r2.yaml", "aa:bb:cc:01:02:02", "aa:bb:cc:01:02:01", "aa:bb:cc:01:02:01"},
		"no such script":   {"hooks/drain.yaml", "drain.lua", "drian.lua", "drian.lua"},
	} {
		files := exampleFiles(t)
		for i := range files {
			if files[i].Path == slip.file {
				before := files[i].Data
				if files[i].Data = bytes.ReplaceAll(before, []byte(slip.from), []byte(slip.to)); bytes.Equal(before, files[i].Data) {
					t.Fatalf("%s: %s does not hold %q", name, slip.file, slip.from)
				}
			}
		}
		_, problems := tree.Read(files, tree.Options{Fleet: "example", Schemas: schemas(t)})
		var said []string
		for _, problem := range problems {
			said = append(said, problem.String())
		}
		if text := strings.Join(said, "\n"); !strings.Contains(text, slip.want) {
			t.Errorf("%s: got %q, want something about %s", name, text, slip.want)
		}
	}
}
