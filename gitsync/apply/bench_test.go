package apply_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/gitsync/apply"
)

// BenchmarkApply creates servers as the Applier does, and as a bare client would with the same concurrency.
func BenchmarkApply(b *testing.B) {
	const n = 1000
	w := newWorld(b)
	w.files["servers.yaml"] = servers(n)
	desired := w.desired()
	round := 0
	again := func() { // other content, so that each is written
		round++
		for _, d := range desired {
			d.Object.Content.SetLabels(map[string]string{"round": strconv.Itoa(round)})
		}
	}
	a := apply.Applier{Client: w.direct}
	b.Run("applier", func(b *testing.B) {
		for b.Loop() {
			again()
			plan := apply.Changes(desired, apply.Live{}, apply.Options{Fleet: w.fleet})
			if _, err := a.Apply(w.ctx, plan, w.stamp); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			again()
			var next atomic.Int32
			var wait sync.WaitGroup
			for range 16 {
				wait.Go(func() {
					for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
						o := client.ApplyConfigurationFromUnstructured(desired[i].Object.Content.DeepCopy())
						if err := w.direct.Apply(context.Background(), o, client.FieldOwner(apply.FieldOwner), client.ForceOwnership); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wait.Wait()
		}
	})
}
