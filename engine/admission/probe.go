package admission

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Probe asks once for each object that should be there. A kind that the cluster does not know is one
// of which nothing is there.
func Probe(ctx context.Context, reader client.Reader, wanted []*unstructured.Unstructured) ([]Guard, error) {
	var found []*unstructured.Unstructured
	for _, each := range wanted {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(each.GroupVersionKind())
		err := reader.Get(ctx, client.ObjectKeyFromObject(each), object)
		switch {
		case err == nil:
			found = append(found, object)
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		default:
			return nil, fmt.Errorf("reading %s: %w", titleOf(each), err)
		}
	}
	return Judge(wanted, found), nil
}
