package rollout_test

import (
	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// resume [TOKEN]: a person has looked at what failed, and lets the rollout go on.
func verbResume(w *world, d *datadriven.TestData) string {
	token := bare(d, 0)
	if token == "" {
		token = rollout.ResumeToken(&w.group.Status)
	}
	w.editGroup(func(g *v1alpha1.ServerGroup) { g.Annotations[v1alpha1.AnnotationResume] = token })
	return v1alpha1.AnnotationResume + "=" + token
}
