package tree

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
)

var rewrite = flag.Bool("rewrite", false, "accept what comes out as what is wanted")

// installed schemas, as generated from api/.
var installed = sync.OnceValue(func() *Schemas {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		panic(fmt.Sprint("finding the kinds: ", len(files), err))
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, crd); err != nil {
			panic(err)
		}
		crds = append(crds, crd)
	}
	schemas, err := Compile(crds)
	if err != nil {
		panic(err)
	}
	return schemas
})

// TestCommits reads the commits in testdata. In each a comment, with a line "allow: KIND ..." where it needs one, then
// the commit's files, then WANT: its problems, or its objects with the place of each.
func TestCommits(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no commits", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file, archive)
		})
	}
}

func golden(t *testing.T, path string, archive *txtar.Archive) {
	t.Helper()
	options := Options{Fleet: "prod", Schemas: installed(), ForbidNamespaces: []string{"stargate-system"}, CheckProfile: templates}
	for line := range strings.Lines(string(archive.Comment)) {
		if kinds, ok := strings.CutPrefix(line, "allow:"); ok {
			for _, kind := range strings.Fields(kinds) {
				options.AllowKinds = append(options.AllowKinds, v1alpha1.ForeignKind(kind))
			}
		}
	}
	var files []File
	want, at := "", -1
	for i, file := range archive.Files {
		if file.Name == "WANT" {
			want, at = string(file.Data), i
			continue
		}
		files = append(files, File{Path: file.Name, Data: file.Data})
	}
	got := outcome(Read(files, options))
	if got == want {
		return
	}
	if !*rewrite {
		t.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
	if at < 0 {
		archive.Files = append(archive.Files, txtar.File{Name: "WANT", Data: []byte(got)})
	} else {
		archive.Files[at].Data = []byte(got)
	}
	if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
		t.Fatal(err)
	}
}

// templates stands for the engine's check of templates.
func templates(profile *v1alpha1.ProvisioningProfile) error {
	if data := profile.Spec.UserData; data != nil && strings.Contains(data.Inline, "{{ broken") {
		return errors.New("spec.userData does not parse: line 2: unclosed action")
	}
	return nil
}

// outcome is what came out, a line each.
func outcome(tree *Tree, problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	if tree == nil {
		return b.String()
	}
	if tree.Guard != nil {
		fmt.Fprintf(&b, "guard: repaves %v, deletes %v\n", tree.Guard.MaxRepaves, tree.Guard.MaxDeletes)
	}
	for _, o := range tree.Objects {
		fmt.Fprintf(&b, "%s (%s)\n", o.Key(), o.Place)
		if group, ok := o.Typed.(*v1alpha1.ServerGroup); ok {
			text, _ := yaml.Marshal(group.Spec)
			for line := range strings.Lines(string(text)) {
				fmt.Fprint(&b, "    ", line)
			}
		}
	}
	return b.String()
}
