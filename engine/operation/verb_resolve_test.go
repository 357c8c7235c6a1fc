package operation_test

import (
	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// resolve it-ran|it-did-not [attempt=ID] [because=]: a person says what became of a lost request.
func verbResolve(b *bench, d *datadriven.TestData) string {
	attempt := b.op.Status.LastAttempt()
	if attempt == nil {
		return "nothing was ever sent"
	}
	id := word(d, "attempt", attempt.RequestID)
	b.edit(func(op *v1alpha1.Operation) {
		metav1.SetMetaDataAnnotation(&op.ObjectMeta, v1alpha1.AnnotationResolve, id+"="+bare(d, 0))
		metav1.SetMetaDataAnnotation(&op.ObjectMeta, v1alpha1.AnnotationResolveReason, word(d, "because", "looked-at-it"))
	})
	return ""
}
