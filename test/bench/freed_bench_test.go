//go:build bench

package bench_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/test/proxy"
)

var heldSize = flag.Int("held", 10000, "Operations that a policy holds while a slot is freed")

const (
	// fewHeld beside whom the same is counted, and how often a slot is freed.
	fewHeld, freed = 10, 5
)

// TestFreedSlot counts what a freed slot costs more in writes where many Operations wait for it than where
// a few do.
func TestFreedSlot(t *testing.T) {
	few, many := freedSlots(t, fewHeld), freedSlots(t, *heldSize)
	row := exact("freed-slot-writes", many-few, 0)
	row.Note = fmt.Sprintf("a slot freed among %d held Operations: %.1f writes; among %d: %.1f", *heldSize, many, fewHeld, few)
	t.Log(row.Note)
	add(row)
}

// freedSlots gives the writes that one freed slot costs, among so many that a policy holds.
func freedSlots(t *testing.T, held int) float64 {
	t.Helper()
	f, _ := fleetFixture(t)
	counting, config := f.through()
	name := f.lasting(held+1, 24*time.Hour)
	f.create(&v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PolicySpec{
		Match: v1alpha1.Match{Namespaces: []string{name}},
		Rules: []v1alpha1.Rule{{Name: "one-at-a-time", Expression: `fleet.active({"namespace": operation.namespace}) < 1`, Effect: v1alpha1.EffectHold}}}})
	direct := f.config
	f.config = config
	stop := f.controller(name)
	defer stop()
	f.config = direct
	f.scope(name)
	quiet := func() { f.settle(func() float64 { all, _ := counting.Calls(); return float64(all) }) }
	f.runningOne(name, held)
	quiet()
	writes := 0
	for range freed {
		running := f.runningOne(name, held)
		counting.Restart()
		cancel := []byte(`{"spec":{"cancel":true}}`)
		if err := f.client.Patch(context.Background(), running, client.RawPatch("application/merge-patch+json", cancel)); err != nil {
			t.Fatal(err)
		}
		held--
		if next := f.runningOne(name, held); next.Name == running.Name {
			t.Fatalf("%s still runs", next.Name)
		}
		quiet()
		writes += writesOf(counting)
		t.Logf("a slot freed among %d: %v", held+1, counting.Counts())
	}
	return float64(writes) / freed
}

// runningOne waits until one Operation runs, and so many are held, and gives the one.
func (f *fixture) runningOne(namespace string, held int) *v1alpha1.Operation {
	f.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	// The more there are, the more a look at them costs the server that the controller writes to.
	tick := time.NewTicker(time.Second + time.Duration(held)*time.Millisecond/2)
	defer tick.Stop()
	for {
		var list v1alpha1.OperationList
		if err := f.client.List(context.Background(), &list, client.InNamespace(namespace)); err != nil {
			f.Fatal(err)
		}
		var running *v1alpha1.Operation
		waiting := 0
		for i := range list.Items {
			switch op := &list.Items[i]; {
			case op.Status.Phase.Terminal():
			case op.Status.Phase == v1alpha1.OperationRunning && !op.Spec.Cancel:
				running = op
			case len(op.Status.Holds) > 0:
				waiting++
			}
		}
		if running != nil && waiting == held {
			return running
		}
		if time.Now().After(deadline) {
			f.Fatalf("after five minutes %d wait, want %d; one runs: %t", waiting, held, running != nil)
		}
		<-tick.C
	}
}

// writesOf Operations and Servers that a proxy saw.
func writesOf(counting *proxy.Proxy) int {
	writes := 0
	for call, times := range counting.Counts() {
		verb, resource, _ := strings.Cut(call, " ")
		kind, _, _ := strings.Cut(resource, "/")
		if (kind == "operations" || kind == "servers") && verb != "get" && verb != "list" && verb != "watch" {
			writes += times
		}
	}
	return writes
}
