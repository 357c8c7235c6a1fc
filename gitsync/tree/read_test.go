package tree

import "testing"

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
