// Package library_test runs the tests of the policies and hooks in fleet-example, as `stargate policy test` and `stargate hook test`
// do, and sees to it that each has some.
package library_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"stargate.io/stargate/config"
	"stargate.io/stargate/gitsync/tree"
)

const root = "../../fleet-example"

// tables are the test files of policies or of hooks.
func tables(t *testing.T, kind string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "tests", kind, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d tables of %s, %v", len(paths), kind, err)
	}
	return paths
}

// example is the tree of it, without its servers.
func example(t *testing.T) *tree.Tree {
	t.Helper()
	var files []tree.File
	for _, folder := range []string{"policies", "hooks"} {
		paths, err := filepath.Glob(filepath.Join(root, folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, tree.File{Path: filepath.ToSlash(strings.TrimPrefix(path, root+"/")), Data: data})
		}
	}
	read, problems := tree.Read(files, tree.Options{Fleet: "example", Schemas: schemas(t)})
	for _, problem := range problems {
		t.Error(problem)
	}
	if read == nil {
		t.FailNow()
	}
	return read
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
