package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// LabelSelector selects objects by their labels. It reads as the selectors of Kubernetes do, but is
// bounded, and the API server refuses one that would not parse. It is applied as a whole: half of one
// owner's and half of another's would select what neither meant.
// +structType=atomic
type LabelSelector struct {
	// MatchLabels are labels that an object must have, all of them.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="each key must be a label key: an optional DNS prefix and '/', then up to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
	// +optional
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// MatchExpressions that an object's labels must meet, all of them.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +optional
	MatchExpressions []LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// LabelValue is the value of a label: up to 63 letters, digits, '-', '_' or '.', beginning and ending
// with a letter or digit; or nothing.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type LabelValue string

// LabelSelectorOperator relates a label to values.
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
type LabelSelectorOperator string

// The operators.
const (
	LabelSelectorIn           LabelSelectorOperator = "In"
	LabelSelectorNotIn        LabelSelectorOperator = "NotIn"
	LabelSelectorExists       LabelSelectorOperator = "Exists"
	LabelSelectorDoesNotExist LabelSelectorOperator = "DoesNotExist"
)

// LabelSelectorRequirement relates one label to values.
// +kubebuilder:validation:XValidation:rule="(self.operator == 'In' || self.operator == 'NotIn') == (has(self.values) && self.values.size() > 0)",message="the operators In and NotIn need values; Exists and DoesNotExist take none"
type LabelSelectorRequirement struct {
	// Key of the label.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="must be a label key: an optional DNS prefix and '/', then up to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
	// +required
	Key string `json:"key"`

	// Operator: In, NotIn, Exists or DoesNotExist.
	// +required
	Operator LabelSelectorOperator `json:"operator"`

	// Values that In and NotIn compare with.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Values []LabelValue `json:"values,omitempty"`
}

// Selector in the form that label sets are matched with. Nil and empty ones match nothing: in this
// API the absence of a selector never means every server.
func (s *LabelSelector) Selector() (labels.Selector, error) {
	if s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return labels.Nothing(), nil
	}
	var meta metav1.LabelSelector
	for key, value := range s.MatchLabels {
		metav1.AddLabelToSelector(&meta, key, string(value))
	}
	for _, r := range s.MatchExpressions {
		meta.MatchExpressions = append(meta.MatchExpressions, r.meta())
	}
	return metav1.LabelSelectorAsSelector(&meta)
}

func (r LabelSelectorRequirement) meta() metav1.LabelSelectorRequirement {
	values := make([]string, len(r.Values))
	for i, v := range r.Values {
		values[i] = string(v)
	}
	return metav1.LabelSelectorRequirement{
		Key: r.Key, Operator: metav1.LabelSelectorOperator(r.Operator), Values: values,
	}
}
