package apply_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/test/cluster"
	"stargate.io/stargate/test/proxy"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// world is a fleet, its repository as files, and a real API server behind a proxy that counts.
type world struct {
	testing.TB
	ctx     context.Context
	ns      string
	fleet   string
	files   map[string]string
	allow   []v1alpha1.ForeignKind
	prune   bool
	restamp map[string]string // by object's name
	direct  client.Client     // not counted
	proxy   *proxy.Proxy
	applier apply.Applier
	memo    apply.Memo
	stamp   apply.Stamp
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	c := cluster.Shared(tb)
	p, err := proxy.API(c.Config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			tb.Fatal(err)
		}
	}
	direct, err := client.New(c.Config, client.Options{Scheme: scheme})
	if err != nil {
		tb.Fatal(err)
	}
	// The direct client's mapper, so that no discovery is counted.
	counted, err := client.New(&rest.Config{Host: p.URL(), QPS: -1}, client.Options{Scheme: scheme, Mapper: direct.RESTMapper()})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	tb.Cleanup(cancel)
	ns := c.Namespace(tb)
	w := &world{
		TB: tb, ctx: ctx, ns: ns, fleet: "f" + ns[len(ns)-5:], files: map[string]string{}, prune: true,
		direct: direct, proxy: p, restamp: map[string]string{},
		applier: apply.Applier{Client: counted, Pause: 10 * time.Millisecond},
		stamp:   apply.Stamp{Commit: "c1", Author: "Ann <ann@example.com>", Number: 1},
	}
	tb.Cleanup(w.sweep)
	return w
}

// sweep what the fleet left, so that the cluster's other tests see nothing of it.
func (w *world) sweep() {
	for key, o := range w.all() {
		if o.GetLabels()[v1alpha1.LabelFleet] == w.fleet || key.Namespace == w.ns {
			o.SetFinalizers(nil)
			_ = w.direct.Update(context.Background(), o)
			_ = w.direct.Delete(context.Background(), o)
		}
	}
}

// all objects of our kinds.
func (w *world) all() map[tree.Key]client.Object {
	w.Helper()
	all := map[tree.Key]client.Object{}
	for _, list := range []client.ObjectList{
		&v1alpha1.PolicyList{}, &v1alpha1.HookList{}, &v1alpha1.DatacenterList{},
		&v1alpha1.ProvisioningProfileList{}, &v1alpha1.ServerList{}, &v1alpha1.ServerGroupList{},
	} {
		if err := w.direct.List(context.Background(), list); err != nil {
			w.Fatal(err)
		}
		_ = meta.EachListItem(list, func(o runtime.Object) error {
			all[apply.KeyOf(o.(client.Object))] = o.(client.Object)
			return nil
		})
	}
	return all
}

var schemas = func() *tree.Schemas {
	objects, err := config.CRDs()
	if err != nil {
		panic(err)
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, o := range objects {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, crd); err != nil {
			panic(err)
		}
		crds = append(crds, crd)
	}
	all, err := tree.Compile(crds)
	if err != nil {
		panic(err)
	}
	return all
}()

// desired objects of the files; a file's name without a folder is in the world's own namespace.
func (w *world) desired() []apply.Desired {
	w.Helper()
	var files []tree.File
	for path, text := range w.files {
		if filepath.Dir(path) == "." {
			path = "datacenters/" + w.ns + "/" + path
		}
		files = append(files, tree.File{Path: path, Data: []byte(text)})
	}
	t, problems := tree.Read(files, tree.Options{Fleet: w.fleet, AllowKinds: w.allow, Schemas: schemas})
	if len(problems) > 0 {
		w.Fatalf("the commit: %v", problems)
	}
	var all []apply.Desired
	for _, o := range t.Objects {
		all = append(all, apply.Desired{Object: o, Restamp: w.restamp[o.Content.GetName()]})
	}
	return all
}

func (w *world) live() apply.Live {
	var live apply.Live
	for _, o := range w.all() {
		live.Add(o)
	}
	return live
}

func (w *world) plan() apply.Plan {
	w.Helper()
	desired, live := w.desired(), w.live()
	if err := apply.Gather(w.ctx, w.direct, w.fleet, desired, w.allow, &live); err != nil {
		w.Fatal(err)
	}
	return apply.Changes(desired, live, apply.Options{Fleet: w.fleet, Prune: w.prune, Memo: &w.memo})
}

// apply what the files say, and tell how many requests it took.
func (w *world) apply() (apply.Result, int, error) {
	w.Helper()
	plan := w.plan()
	w.proxy.Restart()
	result, err := w.applier.Apply(w.ctx, plan, w.stamp)
	requests, _ := w.proxy.Calls()
	return result, requests, err
}

// mustApply all of it.
func (w *world) mustApply(requests int) apply.Result {
	w.Helper()
	result, took, err := w.apply()
	if err != nil || !result.Whole {
		w.Fatalf("applying: %+v %v", result, err)
	}
	if took != requests {
		w.Fatalf("%d requests, not %d: %v", took, requests, w.proxy.Counts())
	}
	return result
}

func (w *world) server(name string) *v1alpha1.Server {
	w.Helper()
	s := &v1alpha1.Server{}
	if err := w.direct.Get(w.ctx, client.ObjectKey{Namespace: w.ns, Name: name}, s); err != nil {
		w.Fatal(err)
	}
	return s
}

// claim a server for an Operation; "" gives it back.
func (w *world) claim(name, operation string) {
	w.Helper()
	s := w.server(name)
	s.Status.ActiveOperation = nil
	if operation != "" {
		s.Status.ActiveOperation = &v1alpha1.ActiveOperation{Name: operation, UID: "u-" + operation}
	}
	if err := w.direct.Status().Update(w.ctx, s); err != nil {
		w.Fatal(err)
	}
}

// secret of the world's namespace.
func (w *world) secret(name string) *corev1.Secret {
	w.Helper()
	s := &corev1.Secret{}
	if err := w.direct.Get(w.ctx, client.ObjectKey{Namespace: w.ns, Name: name}, s); err != nil {
		w.Fatal(err)
	}
	return s
}

func serverYAML(n int, more string) string {
	return fmt.Sprintf(`apiVersion: stargate.io/v1alpha1
kind: Server
metadata: {name: s%d, labels: {rack: r1}}
spec: {mac: "aa:bb:cc:00:%02x:%02x", ipv4: 10.0.%d.%d%s}
---
`, n, n/256, n%256, n/256, n%256, more)
}

func servers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(serverYAML(i, ""))
	}
	return b.String()
}

const siteYAML = `apiVersion: stargate.io/v1alpha1
kind: Datacenter
metadata: {name: dc}
spec: {driver: dcapi, endpoint: "http://127.0.0.1:1"}
---
apiVersion: stargate.io/v1alpha1
kind: ProvisioningProfile
metadata: {name: web}
spec: {osVersion: 2.0.0, osImage: "http://images/x.qcow2"}
---
apiVersion: stargate.io/v1alpha1
kind: ServerGroup
metadata: {name: web}
spec:
  selector: {matchLabels: {rack: r1}}
  provisioningProfileRef: {name: web}
  rollout: {waves: [{name: canary, size: 1, soak: 60m}, {name: rest, size: "100%"}]}
---
`
