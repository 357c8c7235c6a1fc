package rollout_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// TestMatcherTakesWhatItsSelectorTakes compares the compiled form with Kubernetes' own.
func TestMatcherTakesWhatItsSelectorTakes(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "b", "", "c d"})
	key := rapid.SampledFrom([]string{"k", "l", "m/n"})
	rapid.Check(t, func(t *rapid.T) {
		selector := &v1alpha1.LabelSelector{}
		if rapid.Bool().Draw(t, "labels") {
			selector.MatchLabels = map[string]v1alpha1.LabelValue{}
			for range rapid.IntRange(0, 2).Draw(t, "how many") {
				selector.MatchLabels[key.Draw(t, "key")] = v1alpha1.LabelValue(word.Draw(t, "value"))
			}
		}
		for range rapid.IntRange(0, 2).Draw(t, "expressions") {
			selector.MatchExpressions = append(selector.MatchExpressions, v1alpha1.LabelSelectorRequirement{
				Key:      key.Draw(t, "key"),
				Operator: rapid.SampledFrom([]v1alpha1.LabelSelectorOperator{v1alpha1.LabelSelectorIn, v1alpha1.LabelSelectorNotIn, v1alpha1.LabelSelectorExists, v1alpha1.LabelSelectorDoesNotExist}).Draw(t, "operator"),
				Values:   rapid.SliceOfN(rapid.Just(v1alpha1.LabelValue("a")), 0, 1).Draw(t, "values"),
			})
		}
		set := rapid.MapOfN(key, word, 0, 3).Draw(t, "set")
		want := false
		if theirs, err := selector.Selector(); err == nil {
			want = theirs.Matches(labels.Set(set))
		}
		if got := rollout.Takes(selector, set); got != want {
			t.Fatalf("%+v takes %v: %v, want %v", selector, set, got, want)
		}
	})
}
