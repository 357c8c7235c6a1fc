package v1alpha1

import (
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

func TestSelector(t *testing.T) {
	for name, each := range map[string]struct {
		selector *LabelSelector
		matches  []labels.Set
		misses   []labels.Set
	}{
		"nil":   {nil, nil, []labels.Set{{}, {"role": "web"}}},
		"empty": {&LabelSelector{}, nil, []labels.Set{{}, {"role": "web"}}},
		"labels": {&LabelSelector{MatchLabels: map[string]LabelValue{"role": "web", "rack": "r1"}},
			[]labels.Set{{"role": "web", "rack": "r1", "more": "x"}}, []labels.Set{{"role": "web"}, {}}},
		"expressions": {&LabelSelector{MatchExpressions: []LabelSelectorRequirement{
			{Key: "rack", Operator: LabelSelectorIn, Values: []LabelValue{"r1", "r2"}},
			{Key: "sku", Operator: LabelSelectorNotIn, Values: []LabelValue{"old"}},
			{Key: "role", Operator: LabelSelectorExists}, {Key: "gone", Operator: LabelSelectorDoesNotExist}}},
			[]labels.Set{{"rack": "r2", "role": ""}, {"rack": "r1", "role": "x", "sku": "new"}},
			[]labels.Set{{"rack": "r3", "role": ""}, {"rack": "r1"}, {"rack": "r1", "role": "x", "sku": "old"}, {"rack": "r1", "role": "x", "gone": ""}}},
		"both": {&LabelSelector{MatchLabels: map[string]LabelValue{"role": "web"}, MatchExpressions: []LabelSelectorRequirement{{Key: "rack", Operator: LabelSelectorExists}}},
			[]labels.Set{{"role": "web", "rack": ""}}, []labels.Set{{"role": "web"}, {"rack": ""}}},
	} {
		selector, err := each.selector.Selector()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, set := range each.matches {
			if !selector.Matches(set) {
				t.Errorf("%s does not match %v", name, set)
			}
		}
		for _, set := range each.misses {
			if selector.Matches(set) {
				t.Errorf("%s matches %v", name, set)
			}
		}
	}
}

// What does not parse is an error, never a selector that matches something.
func TestSelectorThatDoesNotParse(t *testing.T) {
	for _, bad := range []LabelSelector{
		{MatchLabels: map[string]LabelValue{"not a key": "x"}},
		{MatchLabels: map[string]LabelValue{"role": "not a value"}},
		{MatchExpressions: []LabelSelectorRequirement{{Key: "a", Operator: LabelSelectorIn}}},
		{MatchExpressions: []LabelSelectorRequirement{{Key: "a", Operator: LabelSelectorExists, Values: []LabelValue{"x"}}}},
		{MatchExpressions: []LabelSelectorRequirement{{Key: "a", Operator: "Gt", Values: []LabelValue{"1"}}}},
	} {
		if selector, err := bad.Selector(); err == nil {
			t.Errorf("%v parses as %s", bad, selector)
		}
	}
}
