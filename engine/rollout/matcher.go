package rollout

import (
	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
)

// matcher is a selector, compiled for a decision that asks it once for each server: what must be equal
// is compared as it stands, which is what most selectors say.
type matcher struct {
	equal []label
	// rest of it; nil for none.
	rest labels.Selector
	// never: it selects nothing.
	never bool
}

type label struct{ key, value string }

// compile a selector. One that is empty, or that the API server would refuse, selects nothing.
func compile(selector *v1alpha1.LabelSelector) matcher {
	if selector == nil || len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		return matcher{never: true}
	}
	if _, err := selector.Selector(); err != nil {
		return matcher{never: true}
	}
	m := matcher{equal: make([]label, 0, len(selector.MatchLabels))}
	for key, value := range selector.MatchLabels {
		m.equal = append(m.equal, label{key, string(value)})
	}
	if len(selector.MatchExpressions) > 0 {
		rest, err := (&v1alpha1.LabelSelector{MatchExpressions: selector.MatchExpressions}).Selector()
		m.rest, m.never = rest, err != nil
	}
	return m
}

// takes tells whether it selects what has these labels.
func (m *matcher) takes(set map[string]string) bool {
	if m.never {
		return false
	}
	for _, want := range m.equal {
		if value, there := set[want.key]; !there || value != want.value {
			return false
		}
	}
	return m.rest == nil || m.rest.Matches(labels.Set(set))
}
