package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// VerifyMode says what a missing or unknown signature does.
// +kubebuilder:validation:Enum=Require;Record
type VerifyMode string

const (
	// VerifyRequire refuses a commit that none of the keys signed.
	VerifyRequire VerifyMode = "Require"
	// VerifyRecord takes it, and records that nobody known signed it.
	VerifyRecord VerifyMode = "Record"
)

// ForeignKind is a kind of Kubernetes itself that a fleet may hold.
// +kubebuilder:validation:Enum=Namespace;ConfigMap;Secret
type ForeignKind string

// The foreign kinds.
const (
	ForeignNamespace ForeignKind = "Namespace"
	ForeignConfigMap ForeignKind = "ConfigMap"
	ForeignSecret    ForeignKind = "Secret"
)

// FleetSpec says which git repository is the desired state.
// +kubebuilder:validation:XValidation:rule="!has(self.suspendUntil) || (has(self.suspend) && self.suspend)",message="suspendUntil needs suspend: true"
type FleetSpec struct {
	// URL of the git repository: https, http, ssh or file. Credentials do not belong in it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (self.startsWith('file:///') || ((self.startsWith('https://') || self.startsWith('http://') || self.startsWith('ssh://')) && url(self).getHost() != '')) && !self.contains('?') && !self.contains('#')",message="must be an https, http, ssh or file URL with a host and without query or fragment, for example ssh://git@host/fleet.git"
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ssh://') ? self.matches('^ssh://([A-Za-z0-9._-]+@)?[^@]*$') : !self.contains('@')",message="must hold no credentials: put them into the Secret that spec.credentialsRef names"
	// +required
	URL string `json:"url"`

	// Ref that is followed. Default: the branch main.
	// +optional
	Ref *GitRef `json:"ref,omitempty"`

	// Path of the folder below which the tree is read, for example "clusters/prod". Default: the root.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[^/\\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*$`
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(p, p == '..')",message="must be a path within the repository, without '..'"
	// +optional
	Path string `json:"path,omitempty"`

	// Interval at which the ref is looked at and drift is put back, for example "1m". Push notices and
	// the annotation stargate.io/requestedAt cause a look at once.
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,7}(\.[0-9]{1,9})?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration from 1s to 24h, for example \"45m\""
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Timeout of one look at the repository, for example "1m".
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,7}(\.[0-9]{1,9})?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be a duration from 1s to 1h, for example \"45m\""
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// CredentialsRef names a Secret in the controller's own namespace: username and password, or
	// bearerToken, or identity and known_hosts; ca.crt where the server's certificate needs it.
	// +optional
	CredentialsRef *SecretReference `json:"credentialsRef,omitempty"`

	// PushSecretRef names a Secret in the controller's own namespace with the key token: the shared
	// secret that push notices are signed with. Without it no notice is taken for this fleet.
	// +optional
	PushSecretRef *SecretReference `json:"pushSecretRef,omitempty"`

	// Verify the signature of the commit.
	// +optional
	Verify *Verification `json:"verify,omitempty"`

	// AllowKinds lists kinds of Kubernetes itself that the tree may hold beside Stargate's own.
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	// +optional
	AllowKinds []ForeignKind `json:"allowKinds,omitempty"`

	// Prune objects that left the repository. It never touches hardware, and a busy Server stays until
	// its Operation ends.
	// +optional
	Prune bool `json:"prune,omitempty"`

	// Suspend: nothing is fetched or applied, and the fleet's rollouts start nothing.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// SuspendUntil resumes the fleet at this time, without anybody's doing.
	// +optional
	SuspendUntil *metav1.Time `json:"suspendUntil,omitempty"`

	// Reason why it is suspended, for whoever asks why something waits.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Reason string `json:"reason,omitempty"`

	// Guard against a commit that would do more than was meant.
	// +kubebuilder:default={}
	// +optional
	Guard Guard `json:"guard,omitzero"`
}

// GitRef is what is followed in a repository.
// +kubebuilder:validation:XValidation:rule="[has(self.branch), has(self.tag), has(self.semver), has(self.commit)].filter(x, x).size() == 1",message="exactly one of branch, tag, semver and commit is needed"
type GitRef struct {
	// Branch whose head is followed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[^-/\s~^:?*\[\\\x00-\x1f\x7f][^\s~^:?*\[\\\x00-\x1f\x7f]*$`
	// +kubebuilder:validation:XValidation:rule="!self.contains('..') && !self.contains('//') && !self.contains('@{') && !self.endsWith('/') && !self.endsWith('.') && !self.endsWith('.lock')",message="must be a git branch name"
	// +optional
	Branch string `json:"branch,omitempty"`

	// Tag that is taken.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^[^-/\s~^:?*\[\\\x00-\x1f\x7f][^\s~^:?*\[\\\x00-\x1f\x7f]*$`
	// +kubebuilder:validation:XValidation:rule="!self.contains('..') && !self.contains('//') && !self.contains('@{') && !self.endsWith('/') && !self.endsWith('.') && !self.endsWith('.lock')",message="must be a git tag name"
	// +optional
	Tag string `json:"tag,omitempty"`

	// Semver range among the tags, for example ">=1.2.0 <2.0.0"; the highest is taken.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^\s*[~^<>=!]*\s*[vV]?[0-9xX*][0-9A-Za-z.*+\-]*(\s*(\|\||,|\s-\s|\s)\s*[~^<>=!]*\s*[vV]?[0-9xX*][0-9A-Za-z.*+\-]*)*\s*$`
	// +optional
	Semver string `json:"semver,omitempty"`

	// Commit, in full, that is taken and never moves.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{40}|[0-9a-f]{64})$`
	// +optional
	Commit string `json:"commit,omitempty"`
}

// Verification of a commit's signature.
type Verification struct {
	// KeysRef names a Secret in the controller's own namespace; each of its values is an armored
	// OpenPGP public key ring or a file of SSH allowed signers.
	// +required
	KeysRef SecretReference `json:"keysRef"`

	// Mode: Require refuses a commit that none of the keys signed, Record only tells. Default: Require.
	// +kubebuilder:default=Require
	// +optional
	Mode VerifyMode `json:"mode,omitempty"`
}

// Guard holds a commit, and any change to a profile or group, that would do more than this until
// somebody approves it by name.
type Guard struct {
	// MaxRepaves that may follow without an approval: a number, or a percentage of the fleet's servers
	// such as "10%", which rounds down but never below one. A server of which nothing is known counts
	// in full. To allow any number, say "100%".
	// +kubebuilder:default="10%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 0 && self <= 1000000) : self.matches('^([1-9][0-9]?|100)%$')",message="must be a number from 0 to 1000000 or a percentage from \"1%\" to \"100%\""
	// +optional
	MaxRepaves *intstr.IntOrString `json:"maxRepaves,omitempty"`

	// MaxDeletes that may follow without an approval: a number, or a percentage of the fleet's objects.
	// +kubebuilder:default="10%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 0 && self <= 1000000) : self.matches('^([1-9][0-9]?|100)%$')",message="must be a number from 0 to 1000000 or a percentage from \"1%\" to \"100%\""
	// +optional
	MaxDeletes *intstr.IntOrString `json:"maxDeletes,omitempty"`
}

// Fleet is the git repository whose tree is the desired state.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=fl,categories=stargate
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.lastAppliedRevision`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspend`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="URL",type=string,priority=1,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Path",type=string,priority=1,JSONPath=`.spec.path`
// +kubebuilder:printcolumn:name="Attempted",type=string,priority=1,JSONPath=`.status.lastAttemptedRevision`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Fleet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which repository is the desired state.
	// +required
	Spec FleetSpec `json:"spec"`
	// Status says how far that is so.
	// +optional
	Status FleetStatus `json:"status,omitzero"`
}

// FleetList is a list of Fleets.
// +kubebuilder:object:root=true
type FleetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Fleet `json:"items"`
}
