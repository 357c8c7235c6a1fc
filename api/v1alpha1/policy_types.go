package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Effect is what a violated rule does.
// +kubebuilder:validation:Enum=Deny;Hold;Warn;Audit
type Effect string

const (
	// EffectDeny ends the Operation.
	EffectDeny Effect = "Deny"
	// EffectHold keeps the Operation Pending until what it read changes.
	EffectHold Effect = "Hold"
	// EffectWarn lets it pass with an event.
	EffectWarn Effect = "Warn"
	// EffectAudit lets it pass and counts it.
	EffectAudit Effect = "Audit"
)

// Enforcement says whether a policy acts or only tells.
// +kubebuilder:validation:Enum=Enforce;DryRun
type Enforcement string

const (
	// Enforce applies the effects.
	Enforce Enforcement = "Enforce"
	// DryRun evaluates and records what the effects would have been.
	DryRun Enforcement = "DryRun"
)

// PolicySpec is CEL rules that an Operation must pass.
type PolicySpec struct {
	// Match says which Operations the policy is about; all of them where it is left out.
	// +optional
	Match Match `json:"match,omitzero"`

	// MatchConditions narrow match down: the rules are asked only where all of these are true. One that
	// ends in an error holds the Operation, unless another is false.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +optional
	MatchConditions []MatchCondition `json:"matchConditions,omitempty"`

	// Variables are expressions that later variables, conditions and rules use as variables.NAME.
	// Each is computed at most once, and only when it is asked for.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Variables []Variable `json:"variables,omitempty"`

	// Rules of the policy. One is violated when its expression is false.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +required
	Rules []Rule `json:"rules"`

	// Enforcement: Enforce applies the effects, DryRun only records what they would have been.
	// Default: Enforce.
	// +kubebuilder:default=Enforce
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// Match says which Operations are meant. What is left out does not narrow; of a list one entry must
// match, and all that is given must hold.
type Match struct {
	// Operations by their action, for example repave.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +optional
	Operations []Action `json:"operations,omitempty"`

	// Namespaces that the Operations are in.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`

	// Datacenters, by name, that the servers are in.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +optional
	Datacenters []string `json:"datacenters,omitempty"`

	// Groups, by name, whose rollout made the Operation. An Operation made by hand has none.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +optional
	Groups []string `json:"groups,omitempty"`

	// Profiles, by name, that the Operation puts on the server.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +optional
	Profiles []string `json:"profiles,omitempty"`

	// ServerSelector of the servers, by their labels.
	// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) || has(self.matchExpressions)",message="must select by at least one label; leave it out to mean every server"
	// +optional
	ServerSelector *LabelSelector `json:"serverSelector,omitempty"`
}

// MatchCondition is an expression that must be true for the rules to be asked.
type MatchCondition struct {
	// Name of the condition.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	// +required
	Name string `json:"name"`
	// Expression in CEL; its result is true or false.
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`\S`
	// +required
	Expression string `json:"expression"`
}

// Variable is an expression with a name.
type Variable struct {
	// Name, used as variables.NAME.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[_a-zA-Z][_a-zA-Z0-9]*$`
	// +kubebuilder:validation:XValidation:rule="!(self in ['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'])",message="is a reserved word of CEL: choose another name"
	// +required
	Name string `json:"name"`
	// Expression in CEL.
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`\S`
	// +required
	Expression string `json:"expression"`
}

// Rule is one expression that must be true, and what happens when it is not.
// +kubebuilder:validation:XValidation:rule="!has(self.retryAfter) || self.effect == 'Hold'",message="only a rule with effect Hold takes retryAfter"
// +kubebuilder:validation:XValidation:rule="!(has(self.message) && has(self.messageExpression))",message="at most one of message and messageExpression"
type Rule struct {
	// Name of the rule, shown wherever it holds or denies something.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Expression in CEL; the rule is violated when it is false.
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`\S`
	// +required
	Expression string `json:"expression"`

	// Effect of a violation: Deny, Hold, Warn or Audit.
	// +required
	Effect Effect `json:"effect"`

	// Message that says what is wrong and what to do. Default: made of the expression.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`\S`
	// +optional
	Message string `json:"message,omitempty"`

	// MessageExpression in CEL that makes the message.
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`\S`
	// +optional
	MessageExpression string `json:"messageExpression,omitempty"`

	// RetryAfter asks the rule again after this time, for one that reads something which no event
	// tells of. Without it the rule is asked again when what it read changes.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,7}(\.[0-9]{1,9})?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="must be a duration from 1s to 168h, for example \"45m\""
	// +optional
	RetryAfter *metav1.Duration `json:"retryAfter,omitempty"`
}

// PolicyStatus is what is known of a policy.
type PolicyStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Hash over what the policy decides by.
	// +optional
	Hash string `json:"hash,omitempty"`

	// Dimensions that its fleet questions ask for, for example "datacenter" or a server label.
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Dimensions []string `json:"dimensions,omitempty"`

	// Errors that compiling it gave. While there are any, the policy holds whatever it matches.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Errors []SourceError `json:"errors,omitempty"`

	// Conditions: Ready, Stalled.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SourceError is an error at a place in an expression, script or file.
type SourceError struct {
	// Path of the field or file, for example "spec.rules[per-rack].expression".
	// +required
	Path string `json:"path"`
	// Line, from 1, where it is known.
	// +optional
	Line int32 `json:"line,omitempty"`
	// Column, from 1, where it is known.
	// +optional
	Column int32 `json:"column,omitempty"`
	// Message with what is wrong and what to do.
	// +required
	Message string `json:"message"`
}

// Policy is CEL rules that an Operation must pass.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=sgpol,categories=stargate
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.enforcement`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Rules",type=string,priority=1,JSONPath=`.spec.rules[*].name`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Policy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the rules.
	// +required
	Spec PolicySpec `json:"spec"`
	// Status is what is known of them.
	// +optional
	Status PolicyStatus `json:"status,omitzero"`
}

// PolicyList is a list of Policies.
// +kubebuilder:object:root=true
type PolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Policy `json:"items"`
}
