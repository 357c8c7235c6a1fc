package plan

import (
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// Whole is a state without the groups and profiles of an apply that never became whole: they moved no
// machine, so what they say is nothing that servers were already to get. applies is the number of the
// fleet's last apply that did.
func Whole(state State, fleet string, applies int64) State {
	state.Groups = slices.DeleteFunc(slices.Clone(state.Groups), func(g *v1alpha1.ServerGroup) bool { return half(g, fleet, applies) })
	state.Profiles = slices.DeleteFunc(slices.Clone(state.Profiles), func(p *v1alpha1.ProvisioningProfile) bool { return half(p, fleet, applies) })
	return state
}

func half(object metav1.Object, fleet string, applies int64) bool {
	number, err := strconv.ParseInt(object.GetAnnotations()[v1alpha1.AnnotationApply], 10, 64)
	return err == nil && object.GetLabels()[v1alpha1.LabelFleet] == fleet && number > applies
}
