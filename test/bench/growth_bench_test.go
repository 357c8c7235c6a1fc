//go:build bench

package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine/plan/forecast"
	"stargate.io/stargate/engine/profile"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/cluster"
)

var (
	growthSize   = flag.Int("growth", 10000, "servers that are repaved, beside a tenth of them")
	growthRounds = flag.Int("growth-rounds", 3, "rounds of growth")
	virtualSize  = flag.Int("virtual", 100000, "servers that are repaved on the virtual clock, beside a tenth of them")
)

// growthBar: ten times as much takes ten times as long, and little more.
const growthBar = 10.5

// TestGrowth measures the CPU seconds of the controller for a fleet that is repaved, over those for a
// tenth of it: in groups of a hundred, and as one group.
func TestGrowth(t *testing.T) {
	f, c := fleetFixture(t)
	for _, shape := range []struct {
		name   string
		each   func(n int) int
		rounds int
	}{
		{"growth", func(int) int { return perGroup }, *growthRounds},
		{"growth-one-group", func(n int) int { return n }, 1},
	} {
		var ratios []float64
		note := ""
		for i := range shape.rounds {
			sizes := []int{*growthSize / 10, *growthSize}
			if i%2 == 1 {
				sizes = []int{*growthSize, *growthSize / 10}
			}
			spent := map[int]float64{}
			for _, n := range sizes {
				spent[n] = f.repaved(c, n, shape.each(n))
			}
			note = fmt.Sprintf("%.1f CPU seconds for %d servers, %.1f for %d", spent[*growthSize], *growthSize, spent[*growthSize/10], *growthSize/10)
			t.Logf("%s, round %d: %s", shape.name, i, note)
			ratios = append(ratios, spent[*growthSize]/spent[*growthSize/10])
		}
		median, low, high := bench.Interval(ratios)
		add(bench.Row{Name: shape.name, Value: median, Low: low, High: high, Bar: growthBar, Better: "lower", Note: note})
	}
}

// repaved gives the CPU seconds that the controller spends from the notice of a commit that lets all
// groups go, until every server has its profile.
func (f *fixture) repaved(c *cluster.Cluster, n, each int) float64 {
	f.Helper()
	r := f.room(c, 24*time.Hour)
	r.push("all, paused", r.files(n, each, true))
	p := r.start("")
	defer func() {
		if err := r.client.DeleteAllOf(context.Background(), &v1alpha1.Operation{}, client.InNamespace(r.name)); err != nil {
			f.Error(err)
		}
		r.clear()
	}()
	defer p.stop()
	r.create(r.object)
	r.until("the first commit to be in", applied(1))
	p.rest()
	commit := r.push("let them go", r.files(n, each, false))
	before, began := p.cpu(), time.Now()
	r.notify()
	r.until("every server to be repaved", done(commit))
	spent := p.cpu() - before
	f.Logf("%d servers in groups of %d: %.2f CPU seconds in %s", n, each, spent, time.Since(began).Round(time.Millisecond))
	return spent
}

// TestVirtualGrowth measures the same of the planner alone, on the virtual clock, and what a whole plan
// of the larger fleet takes.
func TestVirtualGrowth(t *testing.T) {
	var ratios []float64
	var last cost
	for range *roundCount {
		// Ten small ones, since one is over too soon to be measured.
		small, large := calculated(t, "forecast", *virtualSize/10, 10), calculated(t, "forecast", *virtualSize, 1)
		t.Logf("ten small %s; large %s", small, large)
		ratios, last = append(ratios, large.CPU/small.CPU*10), large
	}
	whole := calculated(t, "plan", *virtualSize, 1)
	median, low, high := bench.Interval(ratios)
	note := fmt.Sprintf("forecast of %d servers: %s; stargate plan of the commits that repave them (a fleet for each 40,000): %s", *virtualSize, last, whole)
	t.Log(note)
	add(bench.Row{Name: "growth-virtual", Value: median, Low: low, High: high, Bar: growthBar, Better: "lower", Note: note})
}

// cost of a calculation in a process of its own.
type cost struct {
	// CPU and Wall seconds of the calculation alone.
	CPU, Wall float64
	// Heap in MiB that its input and outcome hold when it is done; Peak is the most that the process had.
	Heap, Peak float64
}

// String tells it.
func (c cost) String() string {
	return fmt.Sprintf("%.1f s (%.1f s of CPU), heap %.0f MiB, peak of the process %.0f MiB", c.Wall, c.CPU, c.Heap, c.Peak)
}

func calculated(t *testing.T, what string, servers, times int) cost {
	t.Helper()
	p := launch(t, childOptions{Sum: what, Servers: servers, Times: times})
	p.wait()
	var spent cost
	if err := json.Unmarshal(p.output.Bytes(), &spent); err != nil {
		t.Fatalf("reading %q: %v", p.output.String(), err)
	}
	usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the kernel does not tell what the process took")
	}
	spent.Peak = float64(usage.Maxrss) / 1024
	return spent
}

// sum does a calculation and tells what it cost.
func sum(options childOptions) error {
	var work func() error
	var err error
	switch options.Sum {
	case "forecast":
		work, err = forecasting(options.Servers)
	case "plan":
		work, err = planned(options.Servers)
	}
	if err != nil {
		return err
	}
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return err
	}
	began := time.Now()
	for range options.Times {
		if err := work(); err != nil {
			return err
		}
	}
	wall := time.Since(began)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return err
	}
	spent := cost{Wall: wall.Seconds(), CPU: seconds(after.Utime) + seconds(after.Stime) - seconds(before.Utime) - seconds(before.Stime), Heap: live() / (1 << 20)}
	return json.NewEncoder(os.Stdout).Encode(spent)
}

// kept by a calculation until its memory has been measured.
var kept any

func seconds(t syscall.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }

// perVirtualGroup servers, of which a tenth may be unavailable.
const perVirtualGroup = 1000

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// forecastInput of n servers that all get another version.
func forecastInput(n int) forecast.Input {
	most := intstr.FromString("10%")
	in := forecast.Input{Now: noon, Hash: func(p *v1alpha1.ProvisioningProfile) (string, bool) { return "hash-of-" + p.Spec.OSVersion, true },
		Profiles: []*v1alpha1.ProvisioningProfile{{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "web"}, Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: "2"}}}}
	for i := range n {
		group := fmt.Sprintf("group-%03d", i/perVirtualGroup)
		if i%perVirtualGroup == 0 {
			in.Groups = append(in.Groups, &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: group, UID: types.UID(group)},
				Spec: v1alpha1.ServerGroupSpec{Selector: v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"group": v1alpha1.LabelValue(group)}},
					ProvisioningProfileRef: v1alpha1.LocalReference{Name: "web"}, Rollout: v1alpha1.Rollout{MaxUnavailable: &most}}})
		}
		name := fmt.Sprintf("server-%06d", i)
		in.Servers = append(in.Servers, &v1alpha1.Server{
			ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, UID: types.UID(name), Labels: map[string]string{"group": group, "rack": fmt.Sprintf("r%02d", i%40)}},
			Status:     v1alpha1.ServerStatus{State: v1alpha1.ServerReady, Applied: &v1alpha1.Applied{Profile: "web", Hash: "hash-of-1", OSVersion: "1", At: metav1.NewTime(noon.Add(-time.Hour))}}})
	}
	return in
}

// forecasting of such servers.
func forecasting(n int) (func() error, error) {
	in := forecastInput(n)
	return func() error {
		timeline := forecast.Forecast(in)
		kept = []any{in, timeline}
		if !timeline.Complete || len(timeline.Starts) != n {
			return fmt.Errorf("%d of %d servers started; complete: %t", len(timeline.Starts), n, timeline.Complete)
		}
		return nil
	}, nil
}

// perFleet servers: a commit may have 50,000 objects, so that more servers are several fleets.
const perFleet = 40_000

// planned is `stargate plan` of the commits that repave n servers which are up to date, from the files in
// memory to the reports: one commit where a fleet may be so large, else one for each fleet.
func planned(n int) (func() error, error) {
	schemas, err := schemasOf()
	if err != nil {
		return nil, err
	}
	world, commits := &planning.World{TakenAt: noon}, []*planning.Read{}
	for left := n; left > 0; left -= perFleet {
		commit, err := settle(world, fmt.Sprintf("fleet-%d", len(commits)), min(left, perFleet), schemas)
		if err != nil {
			return nil, err
		}
		commits = append(commits, commit)
	}
	return func() error {
		repaves := 0
		var reports []*planning.Report
		for i, commit := range commits {
			report, err := planning.Plan(planning.Options{World: world, Read: commit, Fleet: world.Fleets[i], At: noon, Schemas: schemas, Forecast: true})
			if err != nil {
				return err
			}
			repaves += report.Summary.Repaves
			reports = append(reports, report)
		}
		kept = []any{world, reports}
		if repaves != n {
			return fmt.Errorf("%d of %d servers are to be repaved", repaves, n)
		}
		return nil
	}, nil
}

// settle a fleet in the world, in a datacenter of its own name, and give the commit that changes its profile.
func settle(world *planning.World, name string, n int, schemas *tree.Schemas) (*planning.Read, error) {
	r := &room{name: name, site: &doors{url: "http://127.0.0.1:1"}}
	commit := &planning.Read{Name: "2.1.0", Commit: strings.Repeat("0", 40)}
	var before []tree.File
	for path, text := range r.files(n, perVirtualGroup, false) {
		before = append(before, tree.File{Path: path, Data: []byte(text)})
		if path == r.at("profile.yaml") {
			text = profileText("os", "2.1.0")
		}
		commit.Files = append(commit.Files, tree.File{Path: path, Data: []byte(text)})
	}
	live, problems := tree.Read(before, tree.Options{Fleet: name, Schemas: schemas})
	if len(problems) > 0 {
		return nil, errors.New(problems[0].String())
	}
	all, ofFleet := intstr.FromString("100%"), map[string]string{v1alpha1.LabelFleet: name}
	world.Fleets = append(world.Fleets, &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.FleetSpec{Prune: true, Guard: v1alpha1.Guard{MaxRepaves: &all}}, Status: v1alpha1.FleetStatus{Applies: 7}})
	hash := profile.Hash(&live.Profiles()[0].Spec, profile.Documents{})
	for _, dc := range live.Datacenters() {
		dc.Labels = ofFleet
		world.Datacenters = append(world.Datacenters, dc)
	}
	for _, p := range live.Profiles() {
		p.Labels = ofFleet
		world.Profiles = append(world.Profiles, p)
	}
	for _, group := range live.Groups() {
		group.UID, group.Labels = types.UID(name+group.Name), ofFleet
		world.Groups = append(world.Groups, group)
	}
	for _, server := range live.Servers() {
		server.UID, server.Labels[v1alpha1.LabelFleet] = types.UID(name+server.Name), name
		server.Status = v1alpha1.ServerStatus{State: v1alpha1.ServerReady, CurrentOS: "2.0.0",
			Applied: &v1alpha1.Applied{Profile: "os", Hash: hash, OSVersion: "2.0.0", At: metav1.NewTime(noon.Add(-time.Hour))}}
		world.Servers = append(world.Servers, server)
	}
	return commit, nil
}

// schemasOf our kinds.
func schemasOf() (*tree.Schemas, error) {
	kinds, err := config.CRDs()
	if err != nil {
		return nil, err
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, kind := range kinds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(kind.Object, crd); err != nil {
			return nil, err
		}
		crds = append(crds, crd)
	}
	return tree.Compile(crds)
}
