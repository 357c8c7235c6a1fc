package admission

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	// selector of the objects: all of them carry it.
	selector = "app.kubernetes.io/name=stargate"
	// firstAnswer is how long a start waits for the API server.
	firstAnswer = 10 * time.Second
)

// Watcher knows at any time what is vouched for. At rest it costs watches and no requests.
type Watcher struct {
	wanted []*unstructured.Unstructured
	kinds  []*watched

	// looking keeps one look at a time: the later must have the last word.
	looking sync.Mutex

	mu      sync.Mutex
	vouches Vouches
	changed []func()
}

// watched is one kind of object.
type watched struct {
	resource schema.GroupVersionResource
	informer cache.SharedIndexInformer

	mu sync.Mutex
	// asked: an answer came, if only an error.
	asked bool
	// err of the last try; nil where the store is true.
	err error
}

// Watch starts to look, and returns once it knows, or once the API server was given ten seconds: a
// kind that is not served, or not shown, vouches for nothing until it is. It ends with ctx; wait for it
// with the function that it returns.
func Watch(ctx context.Context, config *rest.Config, wanted []*unstructured.Unstructured) (*Watcher, func(), error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("making a client for admission policies: %w", err)
	}
	w := &Watcher{wanted: wanted, vouches: Vouches{Why: "the API server was not asked for its admission policies yet"}}
	for _, resource := range resourcesOf(wanted) {
		if err := w.add(client, resource); err != nil {
			return nil, nil, fmt.Errorf("watching %s: %w", resource.Resource, err)
		}
	}
	var running sync.WaitGroup
	for _, kind := range w.kinds {
		running.Go(func() { kind.informer.RunWithContext(ctx) })
	}
	w.await(ctx)
	w.look()
	return w, running.Wait, nil
}

// resourcesOf objects, each once.
func resourcesOf(objects []*unstructured.Unstructured) []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	seen := map[schema.GroupVersionResource]bool{}
	for _, object := range objects {
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		if !seen[resource] {
			seen[resource] = true
			all = append(all, resource)
		}
	}
	return all
}

func (w *Watcher) add(client dynamic.Interface, resource schema.GroupVersionResource) error {
	kind := &watched{resource: resource}
	kind.informer = dynamicinformer.NewFilteredDynamicInformer(client, resource, metav1.NamespaceAll, 0, cache.Indexers{},
		func(options *metav1.ListOptions) { options.LabelSelector = selector }).Informer()
	err := kind.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
		if ctx.Err() == nil {
			kind.answered(err)
			w.look()
		}
	})
	if err != nil {
		return err
	}
	_, err = kind.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { kind.answered(nil); w.look() },
		UpdateFunc: func(any, any) { kind.answered(nil); w.look() },
		DeleteFunc: func(any) { kind.answered(nil); w.look() },
	})
	w.kinds = append(w.kinds, kind)
	return err
}

func (k *watched) answered(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked, k.err = true, err
}

// known tells whether the kind was asked for with any answer.
func (k *watched) known() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked || k.informer.HasSynced()
}

func (w *Watcher) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	synced := make([]cache.InformerSynced, 0, len(w.kinds))
	for _, kind := range w.kinds {
		synced = append(synced, kind.known)
	}
	cache.WaitForCacheSync(ctx.Done(), synced...)
}

// look judges anew, and tells those who asked to be told where something changed. What was seen last
// stays true over an error: a watch that breaks says nothing about the policies.
func (w *Watcher) look() {
	w.looking.Lock()
	defer w.looking.Unlock()
	var found []*unstructured.Unstructured
	var errs []error
	for _, kind := range w.kinds {
		for _, each := range kind.informer.GetStore().List() {
			if object, ok := each.(*unstructured.Unstructured); ok {
				found = append(found, object)
			}
		}
		kind.mu.Lock()
		if kind.err != nil && !kind.informer.HasSynced() {
			errs = append(errs, fmt.Errorf("looking at %s: %w", kind.resource.Resource, kind.err))
		}
		kind.mu.Unlock()
	}
	now := VouchesOf(Judge(w.wanted, found))
	if err := errors.Join(errs...); err != nil && now.Why != "" {
		now.Why += " (" + err.Error() + ")"
	}
	w.mu.Lock()
	moved := now != w.vouches
	w.vouches = now
	tell := append([]func(){}, w.changed...)
	w.mu.Unlock()
	if moved {
		for _, each := range tell {
			each()
		}
	}
}

// Vouches tells what may be believed now. It costs nothing.
func (w *Watcher) Vouches() Vouches {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.vouches
}

// OnChange has a function called after each change of what is vouched for. It must neither block nor
// ask for anything of the Watcher but Vouches.
func (w *Watcher) OnChange(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = append(w.changed, do)
}
