package tree

import (
	"fmt"
	"strings"
	"testing"
)

// large commit of so many Servers over ten datacenters, a file of each rack, with groups that select them.
func large(servers int) []File {
	var files []File
	perRack := 40
	for rack := 0; rack*perRack < servers; rack++ {
		var b strings.Builder
		for n := rack * perRack; n < min((rack+1)*perRack, servers); n++ {
			fmt.Fprintf(&b, `---
apiVersion: stargate.io/v1alpha1
kind: Server
metadata:
  name: server-%05d
  labels:
    role: web
    rack: r%d
spec:
  mac: "52:54:00:%02x:%02x:%02x"
  ipv4: 10.%d.%d.%d
  inventory:
    sku: PowerEdge R650
    location: rack-%d
  bmc:
    address: https://10.%d.%d.%d
    credentialsRef:
      name: bmc
`, n, rack, n>>16, n>>8&255, n&255, 64+n>>16, n>>8&255, n&255, rack, 128+n>>16, n>>8&255, n&255)
		}
		files = append(files, File{Path: fmt.Sprintf("datacenters/dc%d/rack-%d.yaml", rack%10, rack), Data: []byte(b.String())})
	}
	for dc := range 10 {
		files = append(files, File{Path: fmt.Sprintf("datacenters/dc%d/site.yaml", dc), Data: fmt.Appendf(nil, `apiVersion: stargate.io/v1alpha1
kind: Datacenter
metadata: {name: dc%d}
spec: {driver: redfish}
---
apiVersion: stargate.io/v1alpha1
kind: ServerGroup
metadata: {name: web}
spec:
  selector: {matchLabels: {role: web}}
  provisioningProfileRef: {name: base}
`, dc)})
	}
	return append(files, File{Path: "profiles/base.yaml", Data: []byte(`apiVersion: stargate.io/v1alpha1
kind: ProvisioningProfile
metadata: {name: base}
spec: {osVersion: "2.0.0"}
`)})
}

func BenchmarkRead10000(b *testing.B) {
	files := large(10_000)
	schemas := installed()
	b.ReportAllocs()
	for b.Loop() {
		tree, problems := Read(files, Options{Fleet: "prod", Schemas: schemas})
		if len(problems) > 0 || len(tree.Servers()) != 10_000 {
			b.Fatal(problems)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/10, "ms/1000servers")
}
