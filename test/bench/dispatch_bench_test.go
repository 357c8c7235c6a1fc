//go:build bench

package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/cluster"
)

var (
	dispatches  = flag.Int("dispatches", 100, "rounds of notice-to-dispatch")
	waitingSize = flag.Int("waiting", 10000, "Operations that wait while a commit comes")
)

// calm between rounds: a notice comes to a fleet at rest, not into the end of what the one before it caused.
const calm = time.Second

// TestNoticeToDispatch measures the time from a push notice to the datacenter's first accepted request:
// over the bare chain, and with many waiting Operations over without.
func TestNoticeToDispatch(t *testing.T) {
	f, c := fleetFixture(t)
	idle, busy, chain := f.dispatching(c), f.dispatching(c), f.chain(c)
	busy.crowd(*waitingSize)
	for _, r := range []*room{idle, busy} {
		p := r.start("")
		defer p.stop()
		commit := r.push("all", r.dispatchFiles())
		r.create(r.object)
		r.until("the first commit to be everywhere", done(commit))
		p.rest()
	}
	busy.crowded(*waitingSize)
	took := map[string][]float64{}
	for i := range *dispatches {
		version := fmt.Sprintf("3.%d", i)
		steps := []func(){
			func() { took["idle"] = append(took["idle"], idle.dispatch(version)) },
			func() { took["bare"] = append(took["bare"], chain.dispatch(version)) },
			func() { took["busy"] = append(took["busy"], busy.dispatch(version)) },
		}
		if i%2 == 1 {
			slices.Reverse(steps)
		}
		for _, step := range steps {
			step()
		}
		<-time.After(calm)
	}
	for _, name := range []string{"bare", "idle", "busy"} {
		t.Logf("%s: median %.1f ms, p99 %.1f ms", name, 1000*percentile(took[name], 50), 1000*percentile(took[name], 99))
	}
	addTail("notice-to-dispatch", took["idle"], took["bare"], 3, "of one server, in a fleet of a hundred")
	addTail("notice-to-dispatch-waiting", took["busy"], took["idle"], 2, fmt.Sprintf("with %d waiting Operations", *waitingSize))
}

// addTail adds the ratio of the 99th percentiles; its interval comes from resampling the rounds.
func addTail(name string, ours, peer []float64, bar float64, note string) {
	random := rand.New(rand.NewPCG(1, 2))
	ratios := make([]float64, 2000)
	a, b := make([]float64, len(ours)), make([]float64, len(ours))
	for i := range ratios {
		for j := range a {
			k := random.IntN(len(ours))
			a[j], b[j] = ours[k], peer[k]
		}
		ratios[i] = percentile(a, 99) / percentile(b, 99)
	}
	slices.Sort(ratios)
	note = fmt.Sprintf("%s; %d rounds; medians %.1f and %.1f ms", note, len(ours), 1000*percentile(ours, 50), 1000*percentile(peer, 50))
	add(bench.Row{Name: name, Value: percentile(ours, 99) / percentile(peer, 99), Low: ratios[50], High: ratios[1949], Bar: bar, Better: "lower", Note: note})
}

func percentile(values []float64, percent int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)*percent+99)/100-1]
}

// dispatching is a room for commits that change one server of a hundred.
func (f *fixture) dispatching(c *cluster.Cluster) *room { return f.room(c, 24*time.Hour) }

// dispatchFiles are a hundred servers, of which the first is a group with a profile of its own.
func (r *room) dispatchFiles() map[string]string {
	files := r.files(perGroup, perGroup, false)
	files[r.at("first.yaml")] = profileText("first", "3")
	files[r.at("groups/first.yaml")] = groupText("first", "first", "1", false)
	files[r.at("servers/first.yaml")] = serverText(perGroup, "first", "rack-0")
	files[r.at("groups/g0000.yaml")] = groupText("g0000", "os", "100%", false)
	return files
}

// dispatch a commit that changes the first server's profile, and give the seconds from the notice to the
// datacenter's taking it.
func (r *room) dispatch(version string) float64 {
	r.Helper()
	commit := r.push("os "+version, map[string]string{r.at("first.yaml"): profileText("first", version)})
	r.site.forget()
	began := time.Now()
	r.notify()
	at := r.site.first(r)
	r.until("the commit to be everywhere", done(commit))
	return at.Sub(began).Seconds()
}

// crowd the room with Operations that wait for a place at another datacenter, which is full.
func (r *room) crowd(n int) {
	r.Helper()
	full := openSite(r.fixture, r.name+"-full", 24*time.Hour)
	r.create(&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: "full"},
		Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: full.url, Limits: v1alpha1.DatacenterLimits{ConcurrentOperations: 1}}},
		&v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: "dc"},
			Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: "2.0.0", OSImage: "https://images.example.com/2.0.0.img"}})
	r.each(n+1, func(ctx context.Context, i int) error {
		server, op := benchServer(r.name, i), benchOperation(r.name, i)
		server.Spec.MAC, server.Spec.IPv4 = "02"+server.Spec.MAC[2:], "11"+server.Spec.IPv4[2:]
		server.Spec.DatacenterRef = &v1alpha1.LocalReference{Name: "full"}
		if err := r.client.Create(ctx, server); err != nil {
			return err
		}
		return r.client.Create(ctx, op)
	})
}

// crowded fails unless so many wait, and one runs.
func (r *room) crowded(n int) {
	r.Helper()
	var list v1alpha1.OperationList
	if err := r.client.List(context.Background(), &list, client.InNamespace(r.name)); err != nil {
		r.Fatal(err)
	}
	waiting, running := 0, 0
	for i := range list.Items {
		switch op := &list.Items[i]; {
		case op.Status.Phase.Terminal():
		case len(op.Status.Attempts) > 0:
			running++
		default:
			waiting++
		}
	}
	if waiting != n || running != 1 {
		r.Fatalf("%d Operations wait and %d run, want %d and 1", waiting, running, n)
	}
}

// chain is the least that anybody must do from a commit to a request.
type chain struct {
	*room
	request source.Request
	events  watch.Interface
	server  wire.Server
}

// chain with a repository like that of a room.
func (f *fixture) chain(c *cluster.Cluster) *chain {
	f.Helper()
	r := f.dispatching(c)
	r.push("all", r.dispatchFiles())
	watching, ok := r.client.(client.WithWatch)
	if !ok {
		f.Fatal("the client cannot watch")
	}
	events, err := watching.Watch(context.Background(), &v1alpha1.OperationList{}, client.InNamespace(r.name))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(events.Stop)
	return &chain{room: r, request: source.Request{URL: r.object.Spec.URL}, events: events, server: wire.Server{ServerID: "server-000100", MAC: "aa:bb:cc:00:00:64", IPv4: "10.0.0.100"}}
}

// dispatch gives the seconds from the fetch of a commit to the datacenter's taking what follows from it.
func (b *chain) dispatch(version string) float64 {
	b.Helper()
	b.push("os "+version, map[string]string{b.at("first.yaml"): profileText("first", version)})
	b.site.forget()
	began := time.Now()
	if err := b.follow(version); err != nil {
		b.Fatal(err)
	}
	return b.site.first(b).Sub(began).Seconds()
}

// follow fetches, applies, makes an Operation, sees it and asks the datacenter.
func (b *chain) follow(version string) error {
	ctx := context.Background()
	head, err := source.Git{}.Resolve(ctx, b.request)
	if err != nil {
		return err
	}
	commit, err := source.Git{}.Fetch(ctx, b.request, head)
	if err != nil {
		return err
	}
	profile := &unstructured.Unstructured{}
	for _, file := range commit.Files {
		if file.Path == b.at("first.yaml") {
			err = yaml.Unmarshal(file.Data, &profile.Object)
		}
	}
	if err != nil {
		return err
	}
	profile.SetNamespace(b.name)
	if err := b.bare(ctx, profile); err != nil {
		return err
	}
	op := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: "repave-" + version},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: b.server.ServerID}, Operation: v1alpha1.ActionRepave, ProvisioningProfileRef: &v1alpha1.LocalReference{Name: "first"}}}
	if err := b.client.Create(ctx, op); err != nil {
		return err
	}
	for event := range b.events.ResultChan() {
		if seen, ok := event.Object.(*v1alpha1.Operation); ok && seen.UID == op.UID {
			break
		}
	}
	return b.post(ctx, string(op.UID), version)
}

// post the request to the datacenter.
func (b *chain) post(ctx context.Context, id, version string) error {
	body, err := json.Marshal(wire.OperationRequest{Action: wire.ActionRepave, Server: b.server, Image: &wire.Image{OSVersion: version}})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.site.url+"/operations", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", id)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("the datacenter answered %s", strconv.Quote(response.Status))
	}
	return nil
}
