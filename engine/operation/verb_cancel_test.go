package operation_test

import (
	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// cancel [because=]: somebody sets spec.cancel.
func verbCancel(b *bench, d *datadriven.TestData) string {
	b.edit(func(op *v1alpha1.Operation) {
		op.Spec.Cancel = true
		op.Generation++
		if because := word(d, "because", ""); because != "" {
			metav1.SetMetaDataAnnotation(&op.ObjectMeta, v1alpha1.AnnotationCancelReason, because)
		}
	})
	return ""
}

// delete: somebody deletes the Operation.
func verbDelete(b *bench, _ *datadriven.TestData) string {
	b.remove()
	if b.gone {
		return "gone at once: it has no finalizer"
	}
	return "marked: it has a finalizer"
}
