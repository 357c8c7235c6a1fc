package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HookWhen says on which side of the driver a hook runs.
// +kubebuilder:validation:Enum=Before;After
type HookWhen string

const (
	// HookBefore runs after the gate and before the claim on the server.
	HookBefore HookWhen = "Before"
	// HookAfter runs when the datacenter's job has ended and before the outcome is recorded.
	HookAfter HookWhen = "After"
)

// ErrorAction says what a hook that failed does to its Operation.
// +kubebuilder:validation:Enum=Fail;Ignore
type ErrorAction string

const (
	// ErrorFail ends the Operation Failed.
	ErrorFail ErrorAction = "Fail"
	// ErrorIgnore records the failure and goes on.
	ErrorIgnore ErrorAction = "Ignore"
)

// KubernetesVerb is something that a hook may do to the Kubernetes node that its server is.
// +kubebuilder:validation:Enum=cordon;uncordon;drain;deleteNode;nodeReady;labels
type KubernetesVerb string

const (
	// VerbCordon marks the node unschedulable.
	VerbCordon KubernetesVerb = "cordon"
	// VerbUncordon marks it schedulable again.
	VerbUncordon KubernetesVerb = "uncordon"
	// VerbDrain evicts its pods and honours their disruption budgets.
	VerbDrain KubernetesVerb = "drain"
	// VerbDeleteNode deletes the Node object of a cordoned node, so that what is put on the machine joins anew.
	VerbDeleteNode KubernetesVerb = "deleteNode"
	// VerbNodeReady asks whether the node is ready.
	VerbNodeReady KubernetesVerb = "nodeReady"
	// VerbLabels sets labels of the Server.
	VerbLabels KubernetesVerb = "labels"
)

// HookSpec is a Lua script and when it runs.
// +kubebuilder:validation:XValidation:rule="!has(self.scriptFile)",message="spec.scriptFile is for a fleet repo, whose sync puts the text into spec.script: give spec.script here"
// +kubebuilder:validation:XValidation:rule="has(self.script) || has(self.scriptFile)",message="spec.script is needed"
type HookSpec struct {
	// When it runs: Before or After the driver.
	// +required
	When HookWhen `json:"when"`

	// Match says which Operations it runs for; all of them where it is left out.
	// +optional
	Match Match `json:"match,omitzero"`

	// Order among the hooks of one side: lower runs first, then by name.
	// +kubebuilder:validation:Minimum=-10000
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Order int32 `json:"order,omitempty"`

	// Script in Lua. It defines run(ctx), which returns ctx.done(), ctx.wait("30s", "draining") or
	// ctx.fail("reason").
	// +kubebuilder:validation:MaxLength=262144
	// +kubebuilder:validation:Pattern=`\S`
	// +optional
	Script string `json:"script,omitempty"`

	// ScriptFile, in a fleet repo, is the file beside the Hook that holds the script. The sync puts
	// its text into script; the API server does not take it.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ScriptFile string `json:"scriptFile,omitempty"`

	// Timeout of the hook for one Operation, all runs and waits together, for example "15m".
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,7}(\.[0-9]{1,9})?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="must be a duration from 1s to 168h, for example \"45m\""
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Retries after a run that ended in an error. A script that said fail is not run again.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	// +optional
	Retries int32 `json:"retries,omitempty"`

	// OnError: Fail ends the Operation when the hook failed, Ignore goes on. Default: Fail.
	// +kubebuilder:default=Fail
	// +optional
	OnError ErrorAction `json:"onError,omitempty"`

	// Allow lists what the script may reach; nothing where it is left out.
	// +optional
	Allow HookAllow `json:"allow,omitzero"`
}

// HookAllow lists what a script may reach.
type HookAllow struct {
	// Hosts that its http calls may go to: a name, a name with a leading "*.", or an address, each
	// with or without a port. Private and link-local addresses must be named here as addresses.
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=260
	// +kubebuilder:validation:items:Pattern=`^((\*\.)?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?$`
	// +optional
	Hosts []string `json:"hosts,omitempty"`

	// Kubernetes verbs that it may use on the node that the server is.
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Kubernetes []KubernetesVerb `json:"kubernetes,omitempty"`

	// KubeconfigRef names a Secret and key, in the Operation's namespace, with the kubeconfig of the
	// cluster that the server is a node of. Default: the management cluster.
	// +optional
	KubeconfigRef *SecretKeyReference `json:"kubeconfigRef,omitempty"`
}

// HookStatus is what is known of a hook.
type HookStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Hash of the script.
	// +optional
	Hash string `json:"hash,omitempty"`

	// Errors that compiling it gave. While there are any, Operations that it matches are held.
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

// Hook is a Lua script that runs before or after the driver.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=sghook,categories=stargate
// +kubebuilder:printcolumn:name="When",type=string,JSONPath=`.spec.when`
// +kubebuilder:printcolumn:name="Order",type=integer,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="On-Error",type=string,priority=1,JSONPath=`.spec.onError`
// +kubebuilder:printcolumn:name="Timeout",type=string,priority=1,JSONPath=`.spec.timeout`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Hook struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the script and when it runs.
	// +required
	Spec HookSpec `json:"spec"`
	// Status is what is known of it.
	// +optional
	Status HookStatus `json:"status,omitzero"`
}

// HookList is a list of Hooks.
// +kubebuilder:object:root=true
type HookList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Hook `json:"items"`
}
