package tree

import (
	"fmt"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/policies/rules"
)

// PolicySource gives a Policy as the decision language takes it.
func PolicySource(policy *v1alpha1.Policy) (rules.Source, error) {
	spec := &policy.Spec
	source := rules.Source{Name: policy.Name, DryRun: spec.Enforcement == v1alpha1.DryRun, Match: rules.Match{
		Namespaces: spec.Match.Namespaces, Datacenters: spec.Match.Datacenters, Groups: spec.Match.Groups, Profiles: spec.Match.Profiles,
	}}
	for _, action := range spec.Match.Operations {
		source.Match.Operations = append(source.Match.Operations, string(action))
	}
	for _, condition := range spec.MatchConditions {
		source.MatchConditions = append(source.MatchConditions, rules.Expression{Name: condition.Name, Expression: condition.Expression})
	}
	for _, variable := range spec.Variables {
		source.Variables = append(source.Variables, rules.Expression{Name: variable.Name, Expression: variable.Expression})
	}
	for i := range spec.Rules {
		rule := &spec.Rules[i]
		compiled := rules.Rule{Name: rule.Name, Expression: rule.Expression, Effect: rules.Effect(rule.Effect),
			Message: rule.Message, MessageExpression: rule.MessageExpression}
		if rule.RetryAfter != nil {
			compiled.RetryAfter = rule.RetryAfter.Duration
		}
		source.Rules = append(source.Rules, compiled)
	}
	if spec.Match.ServerSelector == nil {
		return source, nil
	}
	selector, err := spec.Match.ServerSelector.Selector()
	if err != nil {
		return source, fmt.Errorf("reading spec.match.serverSelector: %w", err)
	}
	source.Match.Servers = selector
	return source, nil
}
