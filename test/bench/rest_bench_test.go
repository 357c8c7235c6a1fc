//go:build bench

package bench_test

import (
	"context"
	"flag"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/proxy"
)

var (
	restFor   = flag.Duration("rest", 10*time.Minute, "how long the controller is watched at rest")
	fleetSize = flag.Int("fleet", 10000, "Servers and Operations at rest")
)

// through gives the fixture's configuration with a counting proxy in between.
func (f *fixture) through() (*proxy.Proxy, *rest.Config) {
	f.Helper()
	counting, err := proxy.API(f.config)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(counting.Close)
	return counting, &rest.Config{Host: counting.URL(), QPS: -1}
}

// fleet fills a namespace with Servers that run and Operations that have ended.
func (f *fixture) fleet(n int) string {
	f.Helper()
	name := f.namespace(n)
	f.each(n, func(ctx context.Context, i int) error {
		server, op := benchServer(name, i), benchOperation(name, i)
		if err := f.client.Get(ctx, client.ObjectKeyFromObject(server), server); err != nil {
			return err
		}
		server.Status = v1alpha1.ServerStatus{State: v1alpha1.ServerReady, CurrentOS: "2.0.0", ObservedGeneration: 1,
			Applied:    &v1alpha1.Applied{Profile: "dc", Hash: "0123456789abcdef", OSVersion: "2.0.0", Operation: op.Name, At: metav1.Now()},
			Conditions: []metav1.Condition{restCondition("Ready"), restCondition("Healthy")}}
		if err := f.client.Status().Update(ctx, server); err != nil {
			return err
		}
		if err := f.client.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return err
		}
		now := metav1.Now()
		op.Status = v1alpha1.OperationStatus{Phase: v1alpha1.OperationSucceeded, ObservedGeneration: 1, Progress: 100, DCJobID: "job-0123456789",
			Message: "repave finished", StartTime: &now, CompletionTime: &now,
			Attempts: []v1alpha1.Attempt{{Number: 1, RequestID: string(op.UID) + "-1", JobID: "job-0123456789", Outcome: v1alpha1.AttemptSucceeded}},
			Conditions: []metav1.Condition{restCondition("Ready"), restCondition("Completed"), restCondition("Admitted"), restCondition("Dispatched"),
				restCondition("Failed"), restCondition("Stalled")}}
		return f.client.Status().Update(ctx, op)
	})
	f.scope(name)
	return name
}

func restCondition(kind string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: "Succeeded", Message: "repave finished", ObservedGeneration: 1, LastTransitionTime: metav1.Now()}
}

// live is the heap after two collections.
func live() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

// TestRest measures a fleet at rest: the heap beside a bare informer cache of the same objects, and
// what the controller asks of the API server.
func TestRest(t *testing.T) {
	f := newFixture(t)
	name := f.fleet(*fleetSize)
	var rounds []bench.Round
	for range 3 {
		rounds = append(rounds, bench.Round{Peer: f.informerHeap(name), Ours: f.controllerHeap(name)})
	}
	median, low, high := bench.Interval(bench.Ratios(rounds))
	t.Logf("heap: %+v bytes", rounds)
	add(bench.Row{Name: "heap", Value: median, Low: low, High: high, Bar: 1.0, Better: "lower"})
	f.restCounts(name)
}

// informerHeap is what a bare informer cache of the kinds holds.
func (f *fixture) informerHeap(namespace string) float64 {
	f.Helper()
	before := live()
	ctx, cancel := context.WithCancel(context.Background())
	informers, err := cache.New(f.config, cache.Options{Scheme: engine.Scheme(), DefaultNamespaces: map[string]cache.Config{namespace: {}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []client.Object{&v1alpha1.Server{}, &v1alpha1.Operation{}, &v1alpha1.ProvisioningProfile{}, &v1alpha1.Datacenter{}} {
		if _, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			f.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- informers.Start(ctx) }()
	if !informers.WaitForCacheSync(ctx) {
		f.Fatal("the informers did not sync")
	}
	heap := live() - before
	runtime.KeepAlive(informers)
	cancel()
	if err := <-ended; err != nil {
		f.Error(err)
	}
	return heap
}

// controllerHeap is what the whole controller holds.
func (f *fixture) controllerHeap(namespace string) float64 {
	f.Helper()
	before := live()
	stop := f.controller(namespace)
	f.settle(func() float64 { return live() })
	heap := live() - before
	stop()
	return heap
}

// settle waits until a number has been the same, within a hundredth, three times in a row.
func (f *fixture) settle(read func() float64) {
	f.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for same, before := 0, -1.0; same < 3; {
		if time.Now().After(deadline) {
			f.Fatal("it did not come to rest within two minutes")
		}
		<-tick.C
		now := read()
		if now >= before*0.99 && now <= before*1.01 {
			same++
		} else {
			same = 0
		}
		before = now
	}
}

// restCounts counts what the controller asks for while nothing happens.
func (f *fixture) restCounts(namespace string) {
	f.Helper()
	counting, config := f.through()
	direct := f.config
	f.config = config
	defer func() { f.config = direct }()
	stop := f.controller(namespace)
	defer stop()
	f.settle(func() float64 { all, _ := counting.Calls(); return float64(all) })
	counting.Restart()
	<-time.After(*restFor)
	requests := 0
	counts := counting.Counts()
	for _, call := range slices.Sorted(maps.Keys(counts)) {
		if strings.HasPrefix(call, "watch ") {
			continue
		}
		requests += counts[call]
		f.Logf("at rest: %s %d times in %s", call, counts[call], *restFor)
	}
	_, writes := counting.Calls()
	add(exact("rest-writes", float64(writes), 0))
	add(exact("rest-requests", float64(requests), 0))
}

// exact is a row that was counted, not sampled.
func exact(name string, value, bar float64) bench.Row {
	return bench.Row{Name: name, Value: value, Low: value, High: value, Bar: bar, Better: "lower"}
}

// TestWritesPerOperation counts the writes of Operations that nothing delays.
func TestWritesPerOperation(t *testing.T) {
	const n = 20
	f := newFixture(t)
	counting, config := f.through()
	name := f.namespace(n)
	direct := f.config
	f.config = config
	stop := f.controller(name)
	defer stop()
	f.config = direct
	f.settle(func() float64 { all, _ := counting.Calls(); return float64(all) })
	counting.Restart()
	f.scope(name)
	f.allEnd(name, n)
	f.settle(func() float64 { all, _ := counting.Calls(); return float64(all) })
	// What the Datacenter's own status costs is no Operation's.
	writes := writesOf(counting)
	t.Logf("%d Operations: %v", n, counting.Counts())
	add(exact("writes-per-operation", float64(writes)/n, 5))
}
