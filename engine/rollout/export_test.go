package rollout

import "stargate.io/stargate/api/v1alpha1"

// Takes lets a test compare the compiled form of a selector with the selector.
func Takes(selector *v1alpha1.LabelSelector, set map[string]string) bool {
	m := compile(selector)
	return m.takes(set)
}
