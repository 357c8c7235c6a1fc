package flux

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/ssa"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/engine"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/cluster"
)

const concurrency = 16

var (
	servers = flag.Int("servers", 10000, "Servers of the fleet; a hundredth as many groups")
	rounds  = flag.Int("rounds", 10, "rounds of the comparison")
	output  = flag.String("json", "", "file of rows that this one is merged into")
)

// TestMain gives the package a control plane.
func TestMain(m *testing.M) { cluster.Main(m) }

// TestFirstSync measures the row first-sync-vs-flux: the time that Flux's ApplyAllStaged takes to bring
// a fleet into an API server for the first time, over the time that ours takes for the same objects with
// as many workers.
func TestFirstSync(t *testing.T) {
	c := cluster.Shared(t)
	config := rest.CopyConfig(c.Config)
	config.QPS = -1
	kube, err := client.New(config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{T: t, kube: kube}
	var all []bench.Round
	for n := range *rounds {
		first, second := f.ours, f.flux
		if n%2 == 1 {
			first, second = second, first
		}
		one, other := first(), second()
		ours, flux := one, other
		if n%2 == 1 {
			ours, flux = other, one
		}
		// Throughput, so that a round in which the peer was slowed down is told.
		all = append(all, bench.Round{Ours: 1 / ours.Seconds(), Peer: 1 / flux.Seconds()})
		t.Logf("round %d: ours %s, Flux %s", n+1, ours.Round(time.Millisecond), flux.Round(time.Millisecond))
	}
	row := bench.Row{Name: "first-sync-vs-flux", Bar: 3, Better: "higher", Note: fmt.Sprintf("%d Servers and %d groups", *servers, *servers/100)}
	row.Value, row.Low, row.High = bench.Interval(bench.Ratios(all))
	t.Logf("%s %.2f (%.2f–%.2f), bar %.2f, met %v", row.Name, row.Value, row.Low, row.High, row.Bar, row.Met())
	if *output == "" {
		return
	}
	if commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		row.Commit = strings.TrimSpace(string(commit))
	}
	if err := bench.Merge(*output, row); err != nil {
		t.Error(err)
	}
}

type fixture struct {
	*testing.T
	kube   client.Client
	spaces int
}

// fleet gives the objects of a fleet in a namespace of its own, which exists.
func (f *fixture) fleet() []*unstructured.Unstructured {
	f.Helper()
	f.spaces++
	namespace := fmt.Sprintf("sync-%d", f.spaces)
	if err := f.kube.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		f.Fatal(err)
	}
	objects := []*unstructured.Unstructured{object(namespace, "ProvisioningProfile", "os", nil, map[string]any{
		"osVersion": "2.0.0", "osImage": "https://images.example.com/2.0.0.img"})}
	for n := range *servers {
		objects = append(objects, object(namespace, "Server", fmt.Sprintf("server-%05d", n), map[string]any{"group": fmt.Sprintf("g%d", n/100), "rack": fmt.Sprintf("r%d", n%40)}, map[string]any{
			"mac": fmt.Sprintf("aa:bb:cc:%02x:%02x:%02x", n>>16, n>>8&0xff, n&0xff), "ipv4": fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&0xff, n&0xff),
			"inventory": map[string]any{"sku": "GPU-8xH100", "location": fmt.Sprintf("rack-%d", n%40)}}))
	}
	for n := range max(*servers/100, 1) {
		objects = append(objects, object(namespace, "ServerGroup", fmt.Sprintf("g%d", n), nil, map[string]any{
			"selector":               map[string]any{"matchLabels": map[string]any{"group": fmt.Sprintf("g%d", n)}},
			"provisioningProfileRef": map[string]any{"name": "os"}}))
	}
	return objects
}

func object(namespace, kind, name string, labels, spec map[string]any) *unstructured.Unstructured {
	meta := map[string]any{"namespace": namespace, "name": name}
	if labels != nil {
		meta["labels"] = labels
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "stargate.io/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}}
}

// ours is the time that the fleet's own apply takes.
func (f *fixture) ours() time.Duration {
	f.Helper()
	var desired []apply.Desired
	for _, each := range f.fleet() {
		desired = append(desired, apply.Desired{Object: &tree.Object{Place: tree.Place{File: "fleet.yaml", Line: 1}, Content: each}})
	}
	began := time.Now()
	plan := apply.Changes(desired, apply.LiveOf(), apply.Options{Fleet: "bench"})
	applier := &apply.Applier{Client: f.kube, Concurrency: concurrency}
	result, err := applier.Apply(context.Background(), plan, apply.Stamp{Commit: "0000000000000000000000000000000000000000", Author: "bench", Number: 1})
	took := time.Since(began)
	if err != nil || result.Created != len(desired) {
		f.Fatalf("applied %+v of %d: %v", result, len(desired), err)
	}
	return took
}

// flux is the time that Flux takes.
func (f *fixture) flux() time.Duration {
	f.Helper()
	objects := f.fleet()
	began := time.Now()
	manager := ssa.NewResourceManager(f.kube, nil, ssa.Owner{Field: "flux", Group: "stargate.io"})
	manager.SetConcurrency(concurrency)
	changed, err := manager.ApplyAllStaged(context.Background(), objects, ssa.DefaultApplyOptions())
	took := time.Since(began)
	if err != nil || len(changed.Entries) != len(objects) {
		f.Fatalf("Flux applied %d of %d: %v", len(changed.Entries), len(objects), err)
	}
	return took
}
