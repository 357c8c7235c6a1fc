//go:build bench

package bench_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/cluster"
)

const (
	concurrency   = 16
	operations    = 1000
	writesEach    = 5
	bareUpdates   = 5000
	scopeLabelKey = "bench.stargate.io/scope"
)

// names numbers the namespaces.
var names atomic.Int64

// fixture is what the measurements share.
type fixture struct {
	testing.TB
	config *rest.Config
	client client.Client
}

func newFixture(tb testing.TB) *fixture {
	c := cluster.Shared(tb)
	config := rest.CopyConfig(c.Config)
	config.QPS = -1
	kube, err := client.New(config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		tb.Fatal(err)
	}
	return &fixture{TB: tb, config: config, client: kube}
}

// each runs a function for 0 to n-1 on as many workers as the controller has.
func (f *fixture) each(n int, do func(context.Context, int) error) {
	f.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	for range concurrency {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(context.Background(), i); err != nil {
					f.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if f.Failed() {
		f.FailNow()
	}
}

// namespace with a site that is done at once, servers and Operations that nobody looks after yet.
func (f *fixture) namespace(n int) string {
	f.Helper()
	return f.lasting(n, time.Millisecond)
}

// lasting is such a namespace with a site whose jobs last.
func (f *fixture) lasting(n int, job time.Duration) string {
	f.Helper()
	name := fmt.Sprintf("bench-%d", names.Add(1))
	dc := site.New(site.Config{Name: name, Duration: job})
	server := httptest.NewServer(dc)
	f.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := dc.Close(); err != nil {
			f.Error(err)
		}
	})
	meta := metav1.ObjectMeta{Namespace: name, Name: "dc"}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&v1alpha1.Datacenter{ObjectMeta: meta, Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: server.URL}},
		&v1alpha1.ProvisioningProfile{ObjectMeta: meta, Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: "2.0.0", OSImage: "https://images.example.com/2.0.0.img"}},
	} {
		if err := f.client.Create(context.Background(), object); err != nil {
			f.Fatal(err)
		}
	}
	f.each(n, func(ctx context.Context, i int) error {
		if err := f.client.Create(ctx, benchServer(name, i)); err != nil {
			return err
		}
		return f.client.Create(ctx, benchOperation(name, i))
	})
	return name
}

func benchServer(namespace string, i int) *v1alpha1.Server {
	return &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("server-%05d", i), Labels: map[string]string{"rack": fmt.Sprintf("r%02d", i%40)}},
		Spec: v1alpha1.ServerSpec{MAC: fmt.Sprintf("aa:bb:cc:%02x:%02x:%02x", i>>16, i>>8&0xff, i&0xff), IPv4: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff),
			Inventory: v1alpha1.Inventory{SKU: "GPU-8xH100", Location: fmt.Sprintf("rack-%d", i%40)}}}
}

func benchOperation(namespace string, i int) *v1alpha1.Operation {
	return &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("repave-%05d", i)},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: fmt.Sprintf("server-%05d", i)},
			ProvisioningProfileRef: &v1alpha1.LocalReference{Name: "dc"}, Operation: v1alpha1.ActionRepave}}
}

// ended counts the Operations that succeeded in a namespace, as the controller's own metric has it.
func ended(tb testing.TB, namespace string) int {
	families, err := metrics.Registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	total := 0.0
	for _, family := range families {
		if family.GetName() != "stargate_operations_ended_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if label(metric, "datacenter") == namespace && label(metric, "phase") == "Succeeded" {
				total += metric.GetCounter().GetValue()
			}
		}
	}
	return int(total)
}

func label(metric *dto.Metric, name string) string {
	for _, pair := range metric.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// repaves measures Operations a second, from the moment they come into the controller's scope.
func (f *fixture) repaves() float64 {
	f.Helper()
	name := f.namespace(operations)
	defer f.controller(name)()
	began := time.Now()
	f.scope(name)
	f.allEnd(name, operations)
	return operations / time.Since(began).Seconds()
}

// scope brings a namespace into the controller's scope.
func (f *fixture) scope(namespace string) {
	f.Helper()
	patch := []byte(`{"metadata":{"labels":{"` + scopeLabelKey + `":"in"}}}`)
	if err := f.client.Patch(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		f.Fatal(err)
	}
}

// allEnd waits until n Operations of a namespace have succeeded.
func (f *fixture) allEnd(namespace string, n int) {
	f.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ended(f, namespace) < n {
		if time.Now().After(deadline) {
			f.Fatalf("%d of %d Operations ended", ended(f, namespace), n)
		}
		<-tick.C
	}
}

// updates measures bare status updates a second on Operations that have been through it all.
func (f *fixture) updates(namespace string) float64 {
	f.Helper()
	var list v1alpha1.OperationList
	if err := f.client.List(context.Background(), &list, client.InNamespace(namespace)); err != nil {
		f.Fatal(err)
	}
	began := time.Now()
	f.each(len(list.Items), func(ctx context.Context, i int) error {
		for n := range bareUpdates / len(list.Items) {
			list.Items[i].Status.Progress = int32(n % 100)
			if err := f.client.Status().Update(ctx, &list.Items[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return bareUpdates / time.Since(began).Seconds()
}

// controller runs one for a namespace, and returns once its caches are filled.
func (f *fixture) controller(namespace string) (stop func()) {
	f.Helper()
	health := freeAddress(f)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- engine.Run(ctx, engine.Options{RESTConfig: f.config, Namespaces: []string{namespace}, NamespaceSelector: scopeLabelKey + "=in",
			Workers: concurrency, HealthAddress: health, Logger: logr.Discard()})
	}()
	deadline := time.Now().Add(time.Minute)
	for !answers("http://" + health + "/readyz") {
		if time.Now().After(deadline) {
			f.Fatal("the controller was not ready within a minute")
		}
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			f.Error(err)
		}
	}
}

func freeAddress(tb testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func answers(url string) bool {
	client := http.Client{Timeout: time.Second}
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func TestWriteEfficiency(t *testing.T) {
	f := newFixture(t)
	peer := f.namespace(operations)
	var rounds []bench.Round
	for i := range *roundCount {
		var round bench.Round
		if i%2 == 0 {
			round.Peer = f.updates(peer)
			round.Ours = f.repaves() * writesEach
		} else {
			round.Ours = f.repaves() * writesEach
			round.Peer = f.updates(peer)
		}
		t.Logf("round %d: %.0f writes/s of ours, %.0f bare", i, round.Ours, round.Peer)
		rounds = append(rounds, round)
	}
	median, low, high := bench.Interval(bench.Ratios(rounds))
	add(bench.Row{Name: "write-efficiency", Value: median, Low: low, High: high, Bar: 0.60, Better: "higher"})
}
