package tree

import (
	"fmt"
	"strings"
	"testing"

	"stargate.io/stargate/gitsync/tree/treetest"
)

func TestEmptyCommit(t *testing.T) {
	tree, problems := Read(nil, Options{Fleet: "f"})
	if tree == nil || len(problems) > 0 || len(tree.Objects) > 0 {
		t.Fatal(tree, problems)
	}
}

func TestServerInItsFolder(t *testing.T) {
	tree, problems := Read([]File{{Path: "datacenters/west/servers.yaml", Data: []byte(`
# two of them
apiVersion: stargate.io/v1alpha1
kind: Server
metadata: {name: b}
spec: {mac: "aa:bb:cc:dd:ee:01"}
---
apiVersion: stargate.io/v1alpha1
kind: Server
metadata: {name: a}
spec: {mac: "aa:bb:cc:dd:ee:02"}
---
`)}}, Options{Fleet: "f"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	servers := tree.Servers()
	if len(servers) != 2 || servers[0].Name != "a" || servers[0].Namespace != "west" || tree.Objects[0].String() != "datacenters/west/servers.yaml:8:1" {
		t.Fatalf("%v %v", servers, tree.Objects[0].Place)
	}
}

func filesOf(m map[string]string) []File {
	var files []File
	for path, text := range m {
		files = append(files, File{Path: path, Data: []byte(text)})
	}
	return files
}

func sound(t *testing.T, name string, p Problem) {
	t.Helper()
	if p.File == "" || p.Line < 1 || p.Message == "" || p.Mend == "" {
		t.Errorf("%s: a problem without file, line, message or mend: %+v", name, p)
	}
	if len(p.Message) > 900 || len(p.Mend) > 600 || strings.ContainsAny(p.Message+p.Mend, "\n\t") {
		t.Errorf("%s: a problem that fits no line: %q", name, p)
	}
}

func lines(problems []Problem) string {
	var b strings.Builder
	for n, p := range problems {
		if n == 10 {
			break
		}
		fmt.Fprintln(&b, "   ", p)
	}
	return b.String()
}

func TestWholeCommitIsWhole(t *testing.T) {
	for seed := range uint64(20) {
		if _, problems := Read(filesOf(treetest.Whole(seed)), Options{Fleet: "prod", Schemas: installed()}); len(problems) > 0 {
			t.Fatal(lines(problems))
		}
	}
}
