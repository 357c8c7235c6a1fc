package explain

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// hooks that run once everything before them lets the Operation pass.
func hooks(snapshot *operation.Snapshot) []Gate {
	var gates []Gate
	for _, run := range snapshot.Operation.Status.Hooks {
		gate := Gate{Outcome: Passes, Source: "Hook/" + run.Name, Message: run.Message}
		if !run.Finished() {
			gate.Outcome = Later
		}
		gates = append(gates, gate)
	}
	if len(gates) > 0 {
		return gates
	}
	for _, each := range []struct {
		when v1alpha1.HookWhen
		text string
	}{{v1alpha1.HookBefore, "runs when admitted"}, {v1alpha1.HookAfter, "runs after the job"}} {
		for _, hook := range operation.HooksFor(snapshot, each.when) {
			gates = append(gates, Gate{Outcome: Later, Source: "Hook/" + hook.Name, Message: each.text})
		}
	}
	return gates
}

// hooks that are about an Operation.
func (w *World) hooks(s Subject) []operation.Hook {
	var all []operation.Hook
	for _, object := range w.Hooks {
		if object.DeletionTimestamp != nil || !Matches(&object.Spec.Match, &s) {
			continue
		}
		hook := operation.Hook{Name: object.Name, When: object.Spec.When, Order: object.Spec.Order, OnError: object.Spec.OnError, Matches: true}
		if errs := object.Status.Errors; len(errs) > 0 && object.Status.ObservedGeneration == object.Generation {
			hook.Problem = cmp.Or(errs[0].Message, "its script does not compile")
			if errs[0].Line > 0 {
				hook.Problem = fmt.Sprintf("%s:%d: %s", errs[0].Path, errs[0].Line, errs[0].Message)
			}
		}
		all = append(all, hook)
	}
	return all
}

// Matches tells whether a match is about an Operation.
func Matches(match *v1alpha1.Match, s *Subject) bool {
	op, profile, site := s.Operation, "", ""
	if ref := op.Spec.ProvisioningProfileRef; ref != nil {
		profile = ref.Name
	}
	if s.Datacenter != nil {
		site = s.Datacenter.Name
	}
	if s.Server == nil || !among(match.Operations, op.Spec.Operation) || !among(match.Namespaces, op.Namespace) || !among(match.Datacenters, site) ||
		!among(match.Groups, op.Labels[v1alpha1.LabelGroup]) || !among(match.Profiles, profile) {
		return false
	}
	if match.ServerSelector == nil {
		return true
	}
	selector, err := match.ServerSelector.Selector()
	return err == nil && selector.Matches(labels.Set(s.Server.Labels))
}

// among a list, of which an empty one does not narrow.
func among[T comparable](list []T, one T) bool { return len(list) == 0 || slices.Contains(list, one) }
