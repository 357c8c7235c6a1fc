package rollout_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// stamp apply=N repaves=N: a commit writes the group, with what the guard let pass.
func verbStamp(w *world, d *datadriven.TestData) string {
	r := rollout.Release{Apply: int64(numberOf(word(d, "apply", "0"))), Repaves: int32(numberOf(word(d, "repaves", "0")))}
	w.editGroup(func(g *v1alpha1.ServerGroup) {
		r.Inputs, r.Members = rollout.Inputs(g, &w.spec), rollout.Members(selected(g, w.servers))
		g.Annotations[v1alpha1.AnnotationReleased] = r.String()
		g.Annotations[v1alpha1.AnnotationCommit] = fmt.Sprintf("commit%d", r.Apply)
		g.Annotations[v1alpha1.AnnotationAuthor] = "ada"
	})
	return fmt.Sprintf("apply %d released %d repaves", r.Apply, r.Repaves)
}
