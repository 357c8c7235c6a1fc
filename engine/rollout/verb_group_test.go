package rollout_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
)

// group [role=VALUE]: the group, with its rollout in YAML below; the selector takes servers by their role.
func verbGroup(w *world, d *datadriven.TestData) string {
	var r v1alpha1.Rollout
	if err := yaml.UnmarshalStrict([]byte(d.Input), &r); err != nil {
		return err.Error()
	}
	w.editGroup(func(g *v1alpha1.ServerGroup) {
		g.Spec.Rollout = r
		g.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": v1alpha1.LabelValue(word(d, "role", "web"))}
		g.Generation++
	})
	waves := make([]string, 0, len(r.Waves)+1)
	for i := range r.Waves {
		waves = append(waves, r.Waves[i].Name)
	}
	return fmt.Sprintf("web: waves %s", strings.Join(append(waves, "rest"), ", "))
}
