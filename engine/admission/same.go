package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// same tells whether two objects guard the same: their specs are equal once what the API server fills
// in is filled in. Anything more in what was found, a selector or a condition, would guard less.
func same(wanted, found *unstructured.Unstructured) bool {
	mine, theirs := specOf(wanted), specOf(found)
	return mine != nil && equality.Semantic.DeepEqual(mine, theirs)
}

// specOf is the typed spec of a policy or binding with the defaults of the API; nil where it cannot be
// read as one.
func specOf(object *unstructured.Unstructured) any {
	read := func(into any) bool {
		return runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, into, true) == nil
	}
	switch object.GetKind() {
	case "ValidatingAdmissionPolicy":
		var typed admissionv1.ValidatingAdmissionPolicy
		if !read(&typed) {
			return nil
		}
		defaults(typed.Spec.MatchConstraints, &typed.Spec.FailurePolicy)
		return typed.Spec
	case "ValidatingAdmissionPolicyBinding":
		var typed admissionv1.ValidatingAdmissionPolicyBinding
		if !read(&typed) {
			return nil
		}
		defaults(typed.Spec.MatchResources, nil)
		return typed.Spec
	case "MutatingAdmissionPolicy":
		var typed admissionv1.MutatingAdmissionPolicy
		if !read(&typed) {
			return nil
		}
		defaults(typed.Spec.MatchConstraints, &typed.Spec.FailurePolicy)
		return typed.Spec
	case "MutatingAdmissionPolicyBinding":
		var typed admissionv1.MutatingAdmissionPolicyBinding
		if !read(&typed) {
			return nil
		}
		defaults(typed.Spec.MatchResources, nil)
		return typed.Spec
	}
	return nil
}

// defaults are what the API server fills in.
func defaults(match *admissionv1.MatchResources, failure **admissionv1.FailurePolicyType) {
	if failure != nil && *failure == nil {
		*failure = ptr.To(admissionv1.Fail)
	}
	if match == nil {
		return
	}
	if match.MatchPolicy == nil {
		match.MatchPolicy = ptr.To(admissionv1.Equivalent)
	}
	if match.NamespaceSelector == nil {
		match.NamespaceSelector = &metav1.LabelSelector{}
	}
	if match.ObjectSelector == nil {
		match.ObjectSelector = &metav1.LabelSelector{}
	}
	for _, rules := range [][]admissionv1.NamedRuleWithOperations{match.ResourceRules, match.ExcludeResourceRules} {
		for i := range rules {
			if rules[i].Scope == nil {
				rules[i].Scope = ptr.To(admissionv1.AllScopes)
			}
		}
	}
}
