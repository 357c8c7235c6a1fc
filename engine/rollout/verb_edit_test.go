package rollout_test

import (
	"github.com/cockroachdb/datadriven"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
)

// edit [role=VALUE] [fleet=NAME]: change what is said below in the group's rollout, or its selector, or its
// fleet.
func verbEdit(w *world, d *datadriven.TestData) string {
	var problem error
	w.editGroup(func(g *v1alpha1.ServerGroup) {
		problem = yaml.UnmarshalStrict([]byte(d.Input), &g.Spec.Rollout)
		if role := word(d, "role", ""); role != "" {
			g.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": v1alpha1.LabelValue(role)}
		}
		if fleet := word(d, "fleet", ""); fleet != "" {
			g.Labels = map[string]string{v1alpha1.LabelFleet: fleet}
		}
		g.Generation++
	})
	if problem != nil {
		return problem.Error()
	}
	return "edited"
}
