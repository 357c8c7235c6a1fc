package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DriverName says which driver reaches a Datacenter.
// +kubebuilder:validation:Enum=dcapi;redfish;simulator
type DriverName string

// The drivers.
const (
	DriverDCAPI     DriverName = "dcapi"
	DriverRedfish   DriverName = "redfish"
	DriverSimulator DriverName = "simulator"
)

// UnknownOutcome says what to do where a site that knows no request id lost a reply.
// +kubebuilder:validation:Enum=Hold;Retry
type UnknownOutcome string

const (
	// UnknownOutcomeHold parks the Operation until a person says what happened.
	UnknownOutcomeHold UnknownOutcome = "Hold"
	// UnknownOutcomeRetry sends it again, and accepts that the machine may be done to twice.
	UnknownOutcomeRetry UnknownOutcome = "Retry"
)

// DatacenterSpec says how one site is reached.
// +kubebuilder:validation:XValidation:rule="self.driver == 'redfish' || has(self.endpoint)",message="spec.endpoint is needed by this driver"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || (has(self.endpoint) && self.endpoint.startsWith('https://'))",message="spec.tls needs an https endpoint"
type DatacenterSpec struct {
	// Driver that reaches the site.
	// +required
	Driver DriverName `json:"driver"`

	// Endpoint is the URL of the site's API, for example "https://dc-west.example.com:8443". No user,
	// query or fragment.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (url(self).getScheme() == 'http' || url(self).getScheme() == 'https') && url(self).getHost() != '' && !self.contains('@') && !self.contains('?') && !self.contains('#')",message="must be an http or https URL with a host and without user, query or fragment"
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// CredentialsRef names a Secret with the key token, sent as a bearer token. It is read again when
	// it changes.
	// +optional
	CredentialsRef *SecretReference `json:"credentialsRef,omitempty"`

	// TLS of the connection.
	// +optional
	TLS *DatacenterTLS `json:"tls,omitempty"`

	// Limits on what the site is asked to do at once.
	// +optional
	Limits DatacenterLimits `json:"limits,omitzero"`

	// OnUnknownOutcome says what to do where a site that knows no request id lost a reply. Default:
	// Hold.
	// +kubebuilder:default=Hold
	// +optional
	OnUnknownOutcome UnknownOutcome `json:"onUnknownOutcome,omitempty"`

	// Paused: no Operation starts at this site. Those that run are seen out.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// Reason why it is paused, for whoever asks why something waits.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Reason string `json:"reason,omitempty"`
}

// DatacenterTLS of the connection to a site.
type DatacenterTLS struct {
	// CARef names the Secret and key with the CA certificates (PEM) that the site's certificate must
	// come from. Default: those of the host.
	// +optional
	CARef *SecretKeyReference `json:"caRef,omitempty"`

	// ClientCertRef names a Secret of type kubernetes.io/tls (keys tls.crt and tls.key) that is shown
	// to the site.
	// +optional
	ClientCertRef *SecretReference `json:"clientCertRef,omitempty"`

	// ServerName that the site's certificate must be for, where it is not the endpoint's host.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$`
	// +optional
	ServerName string `json:"serverName,omitempty"`

	// InsecureSkipVerify accepts any certificate. The Datacenter then says so in a condition.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// DatacenterLimits on what a site is asked to do at once. Zero means no limit.
type DatacenterLimits struct {
	// ConcurrentOperations that may be admitted at once.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	ConcurrentOperations int32 `json:"concurrentOperations,omitempty"`

	// RequestsPerSecond to the site's API.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	RequestsPerSecond int32 `json:"requestsPerSecond,omitempty"`
}

// DatacenterStatus is what is known of a site.
type DatacenterStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// APIVersion that the site speaks.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Capabilities of the site: what it offers and which guarantees it can give.
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Capabilities []string `json:"capabilities,omitempty"`

	// Load of the site as last written.
	// +optional
	Load DatacenterLoad `json:"load,omitzero"`

	// Conditions: Ready, Reachable, ExactlyOnce.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// DatacenterLoad counts Operations of a site.
type DatacenterLoad struct {
	// Active Operations: admitted and not ended.
	// +optional
	Active int32 `json:"active,omitempty"`
	// Waiting Operations.
	// +optional
	Waiting int32 `json:"waiting,omitempty"`
}

// Datacenter is one site: which driver reaches it, where, with which credentials and limits.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dc,categories=stargate
// +kubebuilder:printcolumn:name="Driver",type=string,JSONPath=`.spec.driver`
// +kubebuilder:printcolumn:name="Reachable",type=string,JSONPath=`.status.conditions[?(@.type=="Reachable")].status`
// +kubebuilder:printcolumn:name="API",type=string,JSONPath=`.status.apiVersion`
// +kubebuilder:printcolumn:name="Active",type=integer,JSONPath=`.status.load.active`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Paused",type=boolean,priority=1,JSONPath=`.spec.paused`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Datacenter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says how the site is reached.
	// +required
	Spec DatacenterSpec `json:"spec"`
	// Status is what is known of it.
	// +optional
	Status DatacenterStatus `json:"status,omitzero"`
}

// DatacenterList is a list of Datacenters.
// +kubebuilder:object:root=true
type DatacenterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Datacenter `json:"items"`
}
