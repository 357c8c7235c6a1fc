//go:build bench

package bench_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/cluster"
	"stargate.io/stargate/test/proxy"
)

var syncSize = flag.Int("sync", 10000, "Servers of the fleets that are synced; a hundredth as many groups")

// TestFirstSync measures the row first-sync.
func TestFirstSync(t *testing.T) {
	f, c := fleetFixture(t)
	var rounds []bench.Round
	for i := range *roundCount {
		var ours, bare time.Duration
		if i%2 == 0 {
			ours, bare = f.synced(c), f.applied(c)
		} else {
			bare, ours = f.applied(c), f.synced(c)
		}
		t.Logf("round %d: ours %s, bare %s", i, ours.Round(time.Millisecond), bare.Round(time.Millisecond))
		// As rates, so that a round in which the bare client was slowed down is told.
		rounds = append(rounds, bench.Round{Ours: 1 / ours.Seconds(), Peer: 1 / bare.Seconds()})
	}
	times := bench.Ratios(rounds)
	for i := range times {
		times[i] = 1 / times[i]
	}
	median, low, high := bench.Interval(times)
	add(bench.Row{Name: "first-sync", Value: median, Low: low, High: high, Bar: 1.3, Better: "lower", Note: fmt.Sprintf("%d Servers, %d groups", *syncSize, *syncSize/perGroup)})
}

// synced is the time from making the Fleet until all of its first commit is in, by the whole controller.
func (f *fixture) synced(c *cluster.Cluster) time.Duration {
	f.Helper()
	r := f.room(c, 24*time.Hour)
	r.push("all", r.files(*syncSize, perGroup, true))
	p := r.start("")
	defer r.clear()
	defer p.stop()
	p.rest()
	began := time.Now()
	r.create(r.object)
	r.until("the first commit to be in", applied(1))
	return time.Since(began)
}

// applied is the time that a bare client takes for the same objects, as the tree has them: defaulted, but
// without the stamps that ours carry.
func (f *fixture) applied(c *cluster.Cluster) time.Duration {
	f.Helper()
	r := f.room(c, 24*time.Hour)
	defer r.clear()
	var files []tree.File
	for path, text := range r.files(*syncSize, perGroup, true) {
		files = append(files, tree.File{Path: path, Data: []byte(text)})
	}
	read, problems := tree.Read(files, tree.Options{Fleet: r.name})
	if len(problems) > 0 {
		f.Fatal(problems[0])
	}
	began := time.Now()
	f.each(len(read.Objects), func(ctx context.Context, i int) error { return f.bare(ctx, read.Objects[i].Content) })
	return time.Since(began)
}

// bare server-side apply of one object.
func (f *fixture) bare(ctx context.Context, object *unstructured.Unstructured) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	answer := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: object.GetNamespace(), Name: object.GetName()}}
	answer.SetGroupVersionKind(object.GroupVersionKind())
	return f.client.Patch(ctx, answer, client.RawPatch(types.ApplyPatchType, body), client.FieldOwner("bare"), client.ForceOwnership)
}

// TestSyncRequests counts what a sync asks of the API server: the rows one-change-requests and
// noop-sync-requests.
func TestSyncRequests(t *testing.T) {
	const interval = 2 * time.Second
	f, c := fleetFixture(t)
	counting, _ := f.through()
	r := f.room(c, interval)
	r.push("all", r.files(*syncSize, perGroup, true))
	defer r.start(counting.URL()).stop()
	r.create(r.object)
	r.until("the first commit to be in", applied(1))
	quiet := func() { f.quiet(func() int { return requests(counting) }) }
	quiet()

	counting.Restart()
	r.git.Requests()
	<-time.After(5 * interval)
	looks := len(r.git.Requests())
	unmoved := requests(counting)
	tell(t, fmt.Sprintf("%d looks that found the ref unmoved", looks), counting)
	if looks < 2 {
		t.Fatalf("%d looks in %s", looks, 5*interval)
	}

	counting.Restart()
	commit := r.push("a word in the README", map[string]string{"README.md": "this fleet is for benchmarks\n"})
	r.until("the commit to be in", isIn(commit))
	quiet()
	tell(t, "a commit that changes no object", counting)
	recorded := counting.Counts()["update fleets/status"] + counting.Counts()["create events"] + counting.Counts()["patch events"]
	others := requests(counting) - recorded
	note := fmt.Sprintf("%d looks at an unmoved ref cost %d requests; a commit that changes no object %d beside the %d by which its Fleet records it (status and event), which are not counted",
		looks, unmoved, others, recorded)
	row := exact("noop-sync-requests", float64(max(unmoved, others)), 0)
	row.Note = note
	add(row)

	counting.Restart()
	commit = r.push("a server was moved", map[string]string{r.at("moved.yaml"): serverText(*syncSize, "g0000", "rack-99")})
	r.until("the commit to be in", isIn(commit))
	quiet()
	counting.Restart()
	commit = r.push("and again", map[string]string{r.at("moved.yaml"): serverText(*syncSize, "g0000", "rack-98")})
	r.until("the commit to be in", isIn(commit))
	quiet()
	tell(t, "a commit that changes one object", counting)
	row = exact("one-change-requests", float64(requests(counting)), 10)
	row.Note = fmt.Sprintf("of %d Servers; status writes and events count", *syncSize)
	add(row)
}

// quiet waits until a number has stayed what it was for three seconds.
func (f *fixture) quiet(read func() int) {
	f.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for same, before := 0, read(); same < 3; {
		if time.Now().After(deadline) {
			f.Fatal("it did not come to rest within ten minutes")
		}
		<-tick.C
		now := read()
		same++
		if now != before {
			same = 0
		}
		before = now
	}
}

func isIn(commit string) func(*v1alpha1.Fleet) bool {
	return func(f *v1alpha1.Fleet) bool {
		return strings.HasSuffix(f.Status.LastAppliedRevision, commit) && f.Status.Applying == nil &&
			meta.FindStatusCondition(f.Status.Conditions, v1alpha1.ConditionReady) != nil
	}
}

// requests that are not watches, nor about the lease.
func requests(counting *proxy.Proxy) int {
	total := 0
	for call, times := range counting.Counts() {
		if !strings.HasPrefix(call, "watch ") && !strings.HasSuffix(call, " leases") {
			total += times
		}
	}
	return total
}

func tell(t *testing.T, what string, counting *proxy.Proxy) {
	t.Helper()
	counts := counting.Counts()
	for _, call := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s: %s, %d times", what, call, counts[call])
	}
}
