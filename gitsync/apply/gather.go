package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// Gather adds to the live objects those of Kubernetes' own kinds, which no cache holds: each that is
// desired, and of the kinds allowed the metadata of what is the fleet's in the namespaces that it has
// something in, so that what left the commit is seen. It makes no request where none is desired or
// allowed. The error, if any, is a *Failure.
func Gather(ctx context.Context, reader client.Reader, fleet string, desired []Desired, allowed []v1alpha1.ForeignKind, live *Live) error {
	var wanted []*tree.Object
	for i := range desired {
		if desired[i].Object.Key().Kind.Group == "" {
			wanted = append(wanted, desired[i].Object)
		}
	}
	lists := listsOf(fleet, desired, allowed, *live)
	problems := each(ctx, defaultConcurrency, lists, func(l *listing) ([]Problem, func()) {
		found, err := l.list(ctx, reader, fleet)
		if err != nil {
			return problemsOf(tree.Key{Kind: l.kind, Namespace: l.namespace}, tree.Place{}, fmt.Errorf("listing: %w", err)), nil
		}
		return nil, func() { live.Add(found...) }
	})
	problems = append(problems, each(ctx, defaultConcurrency, wanted, func(o **tree.Object) ([]Problem, func()) {
		key := (*o).Key()
		found := &unstructured.Unstructured{}
		found.SetGroupVersionKind(versioned(key.Kind))
		switch err := reader.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, found); {
		case client.IgnoreNotFound(err) != nil:
			return problemsOf(key, (*o).Place, fmt.Errorf("reading: %w", err)), nil
		case err != nil:
			return nil, nil
		}
		return nil, func() { live.Add(found) }
	})...)
	if len(problems) > 0 {
		return &Failure{Problems: problems}
	}
	return nil
}

// listing of a kind in a namespace.
type listing struct {
	kind      schema.GroupKind
	namespace string
}

func listsOf(fleet string, desired []Desired, allowed []v1alpha1.ForeignKind, live Live) []listing {
	namespaces := map[string]struct{}{}
	for i := range desired {
		namespaces[desired[i].Object.Content.GetNamespace()] = struct{}{}
	}
	for key, object := range live.objects {
		if object.GetLabels()[v1alpha1.LabelFleet] == fleet {
			namespaces[key.Namespace] = struct{}{}
		}
	}
	delete(namespaces, "")
	var all []listing
	for _, kind := range allowed {
		gk := schema.GroupKind{Kind: string(kind)}
		if kind == v1alpha1.ForeignNamespace {
			all = append(all, listing{kind: gk})
			continue
		}
		for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
			all = append(all, listing{gk, namespace})
		}
	}
	return all
}

func (l listing) list(ctx context.Context, reader client.Reader, fleet string) ([]Object, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(versioned(schema.GroupKind{Kind: l.kind.Kind + "List"}))
	if err := reader.List(ctx, list, client.InNamespace(l.namespace), client.MatchingLabels{v1alpha1.LabelFleet: fleet}); err != nil {
		return nil, err
	}
	found := make([]Object, len(list.Items))
	for i := range list.Items {
		list.Items[i].SetGroupVersionKind(versioned(l.kind))
		found[i] = &list.Items[i]
	}
	return found, nil
}
