package fault

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/cluster"
)

// world is what all cases share: the control plane, and one look at all of its objects, so that
// waiting costs the API server nothing.
type world struct {
	config *rest.Config
	// live asks the API server; seen is a cache of it, a little behind.
	live client.Client
	seen client.Reader
}

// sharedWorld is made by the first who asks.
type sharedWorld struct {
	mu     sync.Mutex
	world  *world
	cancel context.CancelFunc
	done   chan error
}

var shared sharedWorld

func (s *sharedWorld) get(t *testing.T) *world {
	t.Helper()
	c := cluster.Shared(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.world != nil {
		return s.world
	}
	live, err := client.New(c.Config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	untilServed(t, live)
	seen, err := cache.New(c.Config, cache.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	for _, object := range []client.Object{&v1alpha1.Operation{}, &v1alpha1.Server{}, &v1alpha1.Datacenter{}} {
		if _, err := seen.GetInformer(ctx, object, cache.BlockUntilSynced(false)); err != nil {
			cancel()
			t.Fatal(err)
		}
	}
	s.done = make(chan error, 1)
	go func() { s.done <- seen.Start(ctx) }()
	if !seen.WaitForCacheSync(ctx) {
		cancel()
		t.Fatal(errors.Join(errors.New("the cache never filled"), <-s.done))
	}
	s.world, s.cancel = &world{config: c.Config, live: live, seen: seen}, cancel
	return s.world
}

// stop ends the cache.
func (s *sharedWorld) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.world != nil {
		s.cancel()
		<-s.done
		s.world = nil
	}
}

// untilServed returns once objects of our kinds can be made: mutating admission policies learn of a
// kind some seconds after it is served, and refuse it until then.
func untilServed(t *testing.T, live client.Client) {
	t.Helper()
	deadline := time.NewTimer(*patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	objects := []client.Object{
		server("default", 1), profile("default"), operation("default", "dry-run", 1, v1alpha1.ActionInspect),
		&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "dry-run"}, Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverRedfish}},
	}
	for len(objects) > 0 {
		err := live.Create(context.Background(), objects[0], client.DryRunAll)
		switch {
		case err == nil:
			objects = objects[1:]
			continue
		case !apierrors.IsServiceUnavailable(err):
			t.Fatal(err)
		}
		select {
		case <-deadline.C:
			t.Fatalf("making a %T: %v", objects[0], err)
		case <-tick.C:
		}
	}
}
