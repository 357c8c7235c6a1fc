package controllers

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// lastLook reads which Policies there are from the API server itself, in the moment before a deed. Those
// who ask at the same time share a request that began after each of them asked.
type lastLook struct {
	live client.Reader
	// reading is held by whoever reads.
	reading sync.Mutex

	mu   sync.Mutex
	next *oneLook
}

// oneLook is a request that has not begun yet, or its outcome.
type oneLook struct {
	done  chan struct{}
	found map[string]identity
	err   error
}

// ask gives the Policies as they are now, or at a moment after the call.
func (l *lastLook) ask(ctx context.Context) (map[string]identity, error) {
	l.mu.Lock()
	look := l.next
	mine := look == nil
	if mine {
		look = &oneLook{done: make(chan struct{})}
		l.next = look
	}
	l.mu.Unlock()
	if mine {
		l.read(ctx, look)
	}
	select {
	case <-look.done:
		return look.found, look.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *lastLook) read(ctx context.Context, look *oneLook) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.mu.Lock()
	l.next = nil // who asks from here on asks for a later one
	l.mu.Unlock()
	defer close(look.done)
	look.found, look.err = identities(ctx, l.live, "PolicyList")
}

// identities of all objects of a kind, from the API server itself.
func identities(ctx context.Context, live client.Reader, kind string) (map[string]identity, error) {
	found := map[string]identity{}
	_, err := eachMetadata(ctx, live, kind, "", func(object *metav1.PartialObjectMetadata) {
		found[object.Name] = identity{object.UID, object.Generation}
	})
	return found, err
}

// eachMetadata visits what the API server itself has of a kind, without specs and statuses, and tells of
// which version that is.
func eachMetadata(ctx context.Context, live client.Reader, kind, namespace string, visit func(*metav1.PartialObjectMetadata)) (at uint64, err error) {
	options := &client.ListOptions{Namespace: namespace, Limit: 2000}
	for {
		var page metav1.PartialObjectMetadataList
		page.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
		if err := live.List(ctx, &page, options); err != nil {
			return 0, fmt.Errorf("listing %s: %w", kind, err)
		}
		for i := range page.Items {
			visit(&page.Items[i])
		}
		if page.Continue == "" {
			return parseVersion(page.ResourceVersion), nil
		}
		options.Continue = page.Continue
	}
}
