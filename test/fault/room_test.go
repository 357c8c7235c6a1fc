package fault

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/proxy"
)

// room is one case's own: a namespace, a site, a proxy before each server, and controllers.
type room struct {
	*testing.T
	*world
	namespace string
	site      *site.Site
	// api and dc are the proxies through which the controllers reach the API server and the site.
	api, dc *proxy.Proxy
	// twice: somebody chose that a server may get two live jobs (onUnknownOutcome: Retry).
	twice bool

	mu          sync.Mutex
	controllers []*controller
	over        bool
}

// newRoom gives a room with a Datacenter and a profile in it, and no controller yet.
func newRoom(t *testing.T, config site.Config, change func(*v1alpha1.Datacenter)) *room {
	t.Helper()
	r := &room{T: t, world: shared.get(t)}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "fault-"}}
	r.create(namespace)
	r.namespace = namespace.Name
	config.Name = r.namespace
	r.site = site.New(config)
	server := httptest.NewServer(r.site)
	var err error
	if r.dc, err = proxy.Site(server.URL); err != nil {
		t.Fatal(err)
	}
	if r.api, err = proxy.API(r.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.endControllers()
		r.api.Close()
		r.dc.Close()
		server.CloseClientConnections()
		if err := r.site.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
		if t.Failed() {
			r.tellAll()
		}
	})
	dc := &v1alpha1.Datacenter{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "dc"},
		Spec:       v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: r.dc.URL()},
	}
	if change != nil {
		change(dc)
	}
	r.create(dc, profile(r.namespace))
	return r
}

// start a controller process over the room's namespace.
func (r *room) start() *controller {
	return r.startWith(childOptions{Namespaces: []string{r.namespace}})
}

func (r *room) startWith(options childOptions) *controller {
	if options.APIServer == "" {
		options.APIServer = r.api.URL()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil
	}
	c, err := launch(options)
	if err != nil {
		r.Error(err) // not Fatal: a proxy's goroutine may be the one that asks
		return nil
	}
	r.controllers = append(r.controllers, c)
	return c
}

// killLast kills the controller that was started last.
func (r *room) killLast() {
	r.mu.Lock()
	last := r.controllers[len(r.controllers)-1]
	r.mu.Unlock()
	if err := last.kill(); err != nil {
		r.Error(err)
	}
}

// endControllers kills all that run, and looks at what they said.
func (r *room) endControllers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, c := range r.controllers {
		if err := c.kill(); err != nil {
			r.Error(err)
		}
		if text, bug := c.output.text(); bug {
			r.Errorf("the controller's log speaks of a bug:\n%s", text)
		}
	}
}

// tellAll shows what a failure is understood from.
func (r *room) tellAll() {
	for i, c := range r.controllers {
		text, _ := c.output.text()
		r.Logf("controller %d said:\n%s", i+1, text)
	}
	for _, event := range r.site.Record() {
		r.Logf("site: %d %s %s %s job %s request %s server %s %s", event.Seq, event.At.Format("05.000"), event.Kind, event.Path, event.JobID, event.RequestID, event.ServerID, event.Phase)
	}
	var ops v1alpha1.OperationList
	var servers v1alpha1.ServerList
	if r.live.List(context.Background(), &ops, client.InNamespace(r.namespace)) != nil || r.live.List(context.Background(), &servers, client.InNamespace(r.namespace)) != nil {
		return
	}
	for i := range ops.Items {
		r.Logf("operation %s: %+v", ops.Items[i].Name, ops.Items[i].Status)
	}
	for i := range servers.Items {
		r.Logf("server %s: %+v", servers.Items[i].Name, servers.Items[i].Status)
	}
}

func (r *room) create(objects ...client.Object) {
	r.Helper()
	for _, object := range objects {
		if err := r.live.Create(context.Background(), object); err != nil {
			r.Fatalf("creating %T %s: %v", object, object.GetName(), err)
		}
	}
}

// patch changes an object as a person would with kubectl.
func (r *room) patch(object client.Object, change func()) error {
	before, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("%T is no object", object)
	}
	change()
	return r.live.Patch(context.Background(), object, client.MergeFrom(before))
}

// until waits for something that must come true.
func (r *room) until(what string, is func() bool) {
	r.Helper()
	deadline := time.NewTimer(*patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline.C:
			r.Fatalf("never came: %s", what)
		case <-tick.C:
		}
	}
}

// see reads an object from the cache, and tells whether it is there.
func (r *room) see(object client.Object) bool {
	err := r.seen.Get(context.Background(), client.ObjectKeyFromObject(object), object)
	if err != nil && !apierrors.IsNotFound(err) {
		r.Errorf("reading %T %s: %v", object, object.GetName(), err)
	}
	return err == nil
}

// phase of an Operation as last seen; empty where it is not there.
func (r *room) phase(op *v1alpha1.Operation) v1alpha1.OperationPhase {
	object := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: op.Namespace, Name: op.Name}}
	if !r.see(object) {
		return ""
	}
	return object.Status.Phase
}
