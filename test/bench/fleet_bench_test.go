//go:build bench

package bench_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/cluster"
	"stargate.io/stargate/test/gitserver"
)

const (
	// pushToken signs push notices.
	pushToken = "a push token of the benchmarks"
	// perGroup servers.
	perGroup = 100
	// patience is how long anything may take that must happen.
	patience = 20 * time.Minute
)

// room is a namespace whose objects come from a repository of its own, with a site.
type room struct {
	*fixture
	cluster *cluster.Cluster
	name    string // of the namespace, and of the Fleet
	system  string
	repo    *gitserver.Repo
	git     *gitserver.HTTP
	site    *doors
	object  *v1alpha1.Fleet
	notices string
}

// fleetFixture has a control plane of its own, so that what was left by others weighs nothing.
func fleetFixture(tb testing.TB) (*fixture, *cluster.Cluster) {
	tb.Helper()
	c := cluster.Start(tb)
	config := rest.CopyConfig(c.Config)
	config.QPS = -1
	kube, err := client.NewWithWatch(config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		tb.Fatal(err)
	}
	return &fixture{TB: tb, config: config, client: kube}, c
}

// room with an empty repository, whose Fleet is not made yet.
func (f *fixture) room(c *cluster.Cluster, interval time.Duration) *room {
	f.Helper()
	name := fmt.Sprintf("fleet-%d", names.Add(1))
	r := &room{fixture: f, cluster: c, name: name, system: name + "-system", site: openDoors(f, name)}
	root := f.TempDir()
	var err error
	if r.repo, err = gitserver.NewRepo(filepath.Join(root, "fleet.git")); err != nil {
		f.Fatal(err)
	}
	if r.git, err = gitserver.StartHTTP(gitserver.Options{Root: root}); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = r.git.Close() })
	all := intstr.FromString("100%")
	r.object = &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.FleetSpec{
		URL: r.git.Repo("fleet.git"), Interval: &metav1.Duration{Duration: interval}, Prune: true,
		PushSecretRef: &v1alpha1.SecretReference{Name: "push"}, Guard: v1alpha1.Guard{MaxRepaves: &all, MaxDeletes: &all}}}
	r.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.system}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.system, Name: "push"}, StringData: map[string]string{"token": pushToken}})
	return r
}

func (f *fixture) create(objects ...client.Object) {
	f.Helper()
	for _, object := range objects {
		if err := f.client.Create(context.Background(), object); err != nil {
			f.Fatal(err)
		}
	}
}

// start a controller for the room, in a process of its own, by way of an API server where one is named.
func (r *room) start(apiServer string) *process {
	r.Helper()
	r.notices = freeAddress(r)
	options := childOptions{Kubeconfig: r.cluster.Kubeconfig, Namespace: r.name, System: r.system, Health: freeAddress(r), Notices: r.notices}
	if apiServer != "" {
		options.Kubeconfig, options.APIServer = "", apiServer
	}
	p := launch(r, options)
	deadline := time.Now().Add(2 * time.Minute)
	for !answers("http://" + options.Health + "/readyz") {
		if time.Now().After(deadline) {
			r.Fatal("the controller was not ready within two minutes")
		}
	}
	return p
}

// at gives the path of a file of the room's datacenter.
func (r *room) at(file string) string { return "datacenters/" + r.name + "/" + file }

// profileText is a profile of an OS version.
func profileText(name, version string) string {
	return fmt.Sprintf("apiVersion: stargate.io/v1alpha1\nkind: ProvisioningProfile\nmetadata: {name: %s}\nspec: {osVersion: %q, osImage: 'https://images.example.com/%s.img'}\n", name, version, version)
}

// serverText is one server of a group.
func serverText(i int, group, location string) string {
	return fmt.Sprintf(`---
apiVersion: stargate.io/v1alpha1
kind: Server
metadata: {name: server-%06d, labels: {group: %s, rack: r%d}}
spec:
  mac: 'aa:bb:cc:%02x:%02x:%02x'
  ipv4: 10.%d.%d.%d
  datacenterRef: {name: dc}
  inventory: {sku: GPU-8xH100, location: %s}
`, i, group, i%40, i>>16, i>>8&0xff, i&0xff, i>>16, i>>8&0xff, i&0xff, location)
}

// groupText is a group with the label value of its name.
func groupText(name, profile, most string, paused bool) string {
	text := fmt.Sprintf(`apiVersion: stargate.io/v1alpha1
kind: ServerGroup
metadata: {name: %s}
spec:
  selector: {matchLabels: {group: %s}}
  provisioningProfileRef: {name: %s}
  rollout:
    maxUnavailable: %s
`, name, name, profile, most)
	if paused {
		text += "    paused: true\n    reason: nothing is to start yet\n"
	}
	return text
}

// files of a fleet of n servers in groups of each, all with one profile.
func (r *room) files(n, each int, paused bool) map[string]string {
	files := map[string]string{
		r.at("datacenter.yaml"): fmt.Sprintf("apiVersion: stargate.io/v1alpha1\nkind: Datacenter\nmetadata: {name: dc}\nspec: {driver: dcapi, endpoint: %q}\n", r.site.url),
		r.at("profile.yaml"):    profileText("os", "2.0.0"),
	}
	var servers strings.Builder
	for i := range n {
		group := fmt.Sprintf("g%04d", i/each)
		servers.WriteString(serverText(i, group, fmt.Sprintf("rack-%d", i%40)))
		if i%perGroup == perGroup-1 || i == n-1 {
			files[r.at(fmt.Sprintf("servers/%05d.yaml", i/perGroup))] = servers.String()
			servers.Reset()
		}
		if i%each == 0 {
			files[r.at("groups/"+group+".yaml")] = groupText(group, "os", "10%", paused)
		}
	}
	return files
}

// push files as a commit, and give its hash.
func (r *room) push(message string, files map[string]string) string {
	r.Helper()
	if err := r.repo.Write(files); err != nil {
		r.Fatal(err)
	}
	commit, err := r.repo.Commit(message)
	if err != nil {
		r.Fatal(err)
	}
	return commit
}

// notify sends a push notice as GitHub does.
func (r *room) notify() {
	r.Helper()
	body := `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte(pushToken))
	mac.Write([]byte(body))
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+r.notices+"/sync/"+r.name, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		r.Fatalf("the notice was answered %s", response.Status)
	}
}

// until the Fleet is as wished; a watch tells, so that waiting asks nothing.
func (r *room) until(what string, wished func(*v1alpha1.Fleet) bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	watching, ok := r.client.(client.WithWatch)
	if !ok {
		r.Fatal("the client cannot watch")
	}
	events, err := watching.Watch(ctx, &v1alpha1.FleetList{}, client.MatchingFields{"metadata.name": r.name})
	if err != nil {
		r.Fatal(err)
	}
	defer events.Stop()
	var last *v1alpha1.Fleet
	for event := range events.ResultChan() {
		fleet, ok := event.Object.(*v1alpha1.Fleet)
		if !ok {
			continue
		}
		if last = fleet; wished(fleet) {
			return
		}
	}
	r.Fatalf("waiting for %s: the fleet is %+v", what, last)
}

// applied tells whether so many commits are in.
func applied(n int64) func(*v1alpha1.Fleet) bool {
	return func(f *v1alpha1.Fleet) bool { return f.Status.Applies >= n }
}

// done tells whether a commit is in and every group has it.
func done(commit string) func(*v1alpha1.Fleet) bool {
	return func(f *v1alpha1.Fleet) bool {
		return strings.HasSuffix(f.Status.LastAppliedRevision, commit) && meta.IsStatusConditionTrue(f.Status.Conditions, v1alpha1.ConditionReady)
	}
}

// clear takes the room's objects out of the API server.
func (r *room) clear() {
	r.Helper()
	ctx := context.Background()
	if err := r.client.Delete(ctx, r.object); client.IgnoreNotFound(err) != nil {
		r.Fatal(err)
	}
	for _, kind := range []client.Object{&v1alpha1.ServerGroup{}, &v1alpha1.Server{}} {
		if err := r.client.DeleteAllOf(ctx, kind, client.InNamespace(r.name)); err != nil {
			r.Fatal(err)
		}
	}
}

// doors of a site: they tell when it first took a request to do something.
type doors struct {
	url  string
	took chan time.Time
}

// openDoors of a site that is done at once.
func openDoors(f *fixture, name string) *doors { return openSite(f, name, time.Millisecond) }

func openSite(f *fixture, name string, lasting time.Duration) *doors {
	f.Helper()
	dc := site.New(site.Config{Name: name, Duration: lasting})
	d := &doors{took: make(chan time.Time, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &status{ResponseWriter: w}
		dc.ServeHTTP(answer, r)
		if r.Method == http.MethodPost && answer.code == http.StatusAccepted {
			select {
			case d.took <- time.Now():
			default: // the first is told, until somebody takes it
			}
		}
	}))
	d.url = server.URL
	f.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := dc.Close(); err != nil {
			f.Error(err)
		}
	})
	return d
}

// forget what was taken before.
func (d *doors) forget() {
	select {
	case <-d.took:
	default:
	}
}

// first request that it takes from now on.
func (d *doors) first(tb testing.TB) time.Time {
	tb.Helper()
	select {
	case at := <-d.took:
		return at
	case <-time.After(2 * time.Minute):
		tb.Fatal("the datacenter took no request within two minutes")
		return time.Time{}
	}
}

// status of an answer, remembered.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}
