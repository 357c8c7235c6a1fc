// Package follow tells what happens to the objects of one kind, from now on.
//
// In: a client, a kind and where to look. Out: one channel of events: every object that is there,
// then Synced, then every change, with as much re-listing and re-connecting as it takes. It ends
// by itself only for what will not get better: no permission, no such kind.
package follow

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// EventType says what an Event is about.
type EventType string

// The types of events.
const (
	// Changed: an object is there, or is not what it was.
	Changed EventType = "Changed"
	// Gone: an object was deleted.
	Gone EventType = "Gone"
	// Synced comes once, after all that was there at the start.
	Synced EventType = "Synced"
	// Lost: the connection is being made again; Err says why.
	Lost EventType = "Lost"
)

// Event is one thing that happened.
type Event struct {
	Type   EventType
	Object client.Object
	Err    error
}

// Selection says what to follow.
type Selection struct {
	// List is an empty list of the kind.
	List client.ObjectList
	// Object is an empty object of the kind.
	Object client.Object
	// Namespace to look in; empty means all.
	Namespace string
	// Name of the one object to follow; empty means all.
	Name string
	// Selector of labels; empty means all.
	Selector string
}

// Follow starts to follow. The channel is closed when ctx ends or when nothing more can come;
// context.Cause of the returned context says why.
func Follow(ctx context.Context, c client.WithWatch, selection Selection) (context.Context, <-chan Event) {
	ctx, stop := context.WithCancelCause(ctx)
	events := make(chan Event)
	send := func(event Event) {
		select {
		case events <- event:
		case <-ctx.Done():
		}
	}
	informer := cache.NewSharedIndexInformerWithOptions(source(c, selection), selection.Object, cache.SharedIndexInformerOptions{})
	// Errors of these two come only from a started informer, which this one is not.
	_ = informer.SetTransform(stripped)
	_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		if final(err) {
			stop(err)
			return
		}
		if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
			send(Event{Type: Lost, Err: err})
		}
	})
	registration, err := informer.AddEventHandler(handler(send))
	if err != nil {
		stop(err)
		close(events)
		return ctx, events
	}
	var running sync.WaitGroup
	running.Go(func() { informer.RunWithContext(ctx) })
	running.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
			send(Event{Type: Synced})
		}
	})
	go func() {
		running.Wait()
		close(events)
	}()
	return ctx, events
}

// handler turns what an informer tells into events. A re-list tells of objects that did not
// change; those are left out.
func handler(send func(Event)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if o, ok := object.(client.Object); ok {
				send(Event{Type: Changed, Object: o})
			}
		},
		UpdateFunc: func(before, after any) {
			old, _ := before.(client.Object)
			if o, ok := after.(client.Object); ok && (old == nil || old.GetResourceVersion() != o.GetResourceVersion()) {
				send(Event{Type: Changed, Object: o})
			}
		},
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			if o, ok := object.(client.Object); ok {
				send(Event{Type: Gone, Object: o})
			}
		},
	}
}

// source lists and watches what is selected.
func source(c client.WithWatch, selection Selection) cache.ListerWatcher {
	options := func(o metav1.ListOptions) *client.ListOptions {
		if selection.Name != "" {
			o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, selection.Name).String()
		}
		o.LabelSelector = selection.Selector
		return &client.ListOptions{Namespace: selection.Namespace, Raw: &o, Limit: o.Limit, Continue: o.Continue}
	}
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, _ := selection.List.DeepCopyObject().(client.ObjectList)
			return list, c.List(ctx, list, options(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			list, _ := selection.List.DeepCopyObject().(client.ObjectList)
			return c.Watch(ctx, list, options(o))
		},
	}, c)
}

// stripped drops what nobody looks at and what makes up half of an object.
func stripped(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, fmt.Errorf("reading an object's metadata: %w", err)
	}
	accessor.SetManagedFields(nil)
	return object, nil
}

// final tells whether an error will be the same at the next try.
func final(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) ||
		apierrors.IsMethodNotSupported(err) || apierrors.IsBadRequest(err) || meta.IsNoMatchError(err)
}
