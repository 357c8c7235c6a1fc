package rollout_test

import (
	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// approve [guard | wave=NAME | TOKEN]: a person approves what the guard holds, or a wave.
func verbApprove(w *world, d *datadriven.TestData) string {
	token := bare(d, 0)
	switch {
	case token == "guard":
		token = rollout.ApproveToken(&w.group.Status)
	case word(d, "wave", "") != "":
		token = rollout.WaveToken(&w.group.Status, word(d, "wave", ""))
	}
	w.editGroup(func(g *v1alpha1.ServerGroup) {
		g.Annotations[v1alpha1.AnnotationApprove], g.Annotations[v1alpha1.AnnotationApprovedBy] = token, "grace"
	})
	return v1alpha1.AnnotationApprove + "=" + token
}
