package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ServerState is what a Server is known to be.
// +kubebuilder:validation:Enum="";provisioning;ready;rebooting;off;error;unreachable
type ServerState string

// The states of a Server.
const (
	// ServerUntouched: nothing was ever done to it through Stargate.
	ServerUntouched    ServerState = ""
	ServerProvisioning ServerState = "provisioning"
	ServerReady        ServerState = "ready"
	ServerRebooting    ServerState = "rebooting"
	ServerOff          ServerState = "off"
	// ServerError: it failed for good and is quarantined until somebody releases it.
	ServerError       ServerState = "error"
	ServerUnreachable ServerState = "unreachable"
)

// ServerSpec is the inventory of one machine.
type ServerSpec struct {
	// MAC address of the machine's main interface, for example "aa:bb:cc:dd:ee:01". No two Servers
	// of a datacenter may share it.
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$')",message="must be a MAC address such as \"aa:bb:cc:dd:ee:01\""
	// +required
	MAC string `json:"mac"`

	// IPv4 address of the machine, for example "10.0.1.5".
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:XValidation:rule="isIP(self) && ip(self).family() == 4",message="must be an IPv4 address such as \"10.0.1.5\""
	// +optional
	IPv4 string `json:"ipv4,omitempty"`

	// BootMACAddress is the interface that the machine boots from, where that is not mac.
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$')",message="must be a MAC address such as \"aa:bb:cc:dd:ee:01\""
	// +optional
	BootMACAddress string `json:"bootMACAddress,omitempty"`

	// Inventory tells what the machine is and where it stands.
	// +optional
	Inventory Inventory `json:"inventory,omitzero"`

	// BMC is the machine's management controller, for drivers that speak to it.
	// +optional
	BMC *BMC `json:"bmc,omitempty"`

	// DatacenterRef names the Datacenter that reaches this machine. Not needed where the namespace
	// has only one.
	// +optional
	DatacenterRef *LocalReference `json:"datacenterRef,omitempty"`

	// Paused: no Operation starts on this machine. One that runs is seen out.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// Maintenance: somebody works on this machine. No Operation starts on it, and it counts as
	// unavailable in every budget.
	// +optional
	Maintenance bool `json:"maintenance,omitempty"`

	// Reason why the machine is paused or in maintenance, for whoever asks why it waits.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Reason string `json:"reason,omitempty"`

	// Adopt takes a machine that is in use under care: what it runs is recorded as given here, and
	// nothing is done to it.
	// +optional
	Adopt *Adoption `json:"adopt,omitempty"`
}

// Inventory of a machine.
type Inventory struct {
	// SKU of the machine, for example "GPU-8xH100".
	// +kubebuilder:validation:MaxLength=256
	// +optional
	SKU string `json:"sku,omitempty"`

	// Location of the machine, for example "rack-5-slot-12".
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Location string `json:"location,omitempty"`

	// SerialNumber that the maker gave it.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	SerialNumber string `json:"serialNumber,omitempty"`
}

// BMC is a management controller.
type BMC struct {
	// Address of the controller: a host, host:port, or an https URL.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https?://)?([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$')",message="must be a host, host:port or http(s) URL without user, query or fragment, for example \"https://10.0.9.5\""
	// +required
	Address string `json:"address"`

	// CredentialsRef names a Secret with the keys username and password.
	// +optional
	CredentialsRef *SecretReference `json:"credentialsRef,omitempty"`

	// SystemID of the machine at a controller that serves several, for example
	// "/redfish/v1/Systems/1".
	// +kubebuilder:validation:MaxLength=512
	// +optional
	SystemID string `json:"systemID,omitempty"`

	// InsecureSkipVerify accepts any certificate of the controller.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// Adoption records what a machine in use runs.
type Adoption struct {
	// Profile that the machine is taken to run.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Profile string `json:"profile"`
}

// ServerStatus is what is known of a machine.
type ServerStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// State of the machine; empty means that nothing was ever done to it through Stargate.
	// +optional
	State ServerState `json:"state,omitempty"`

	// CurrentOS is the OS version that the machine was last given.
	// +optional
	CurrentOS string `json:"currentOS,omitempty"`

	// Applied tells what the machine was last given, and by which Operation.
	// +optional
	Applied *Applied `json:"applied,omitempty"`

	// Power of the machine, "on" or "off", where it is known.
	// +optional
	Power string `json:"power,omitempty"`

	// Hardware that an inspection found.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Hardware map[string]string `json:"hardware,omitempty"`

	// NodeName of the Kubernetes node that the machine is.
	// +optional
	NodeName string `json:"nodeName,omitempty"`

	// NodeUID of that node, where Stargate found it in the management cluster: it then keeps both up to date, and
	// clears them when the node goes. A nodeName that somebody set has none, and is left alone.
	// +optional
	NodeUID string `json:"nodeUID,omitempty"`

	// ActiveOperation has claimed this machine: while it is set, no other Operation reaches a
	// driver for it. It is taken by compare-and-swap and is the lock across controllers.
	// +optional
	ActiveOperation *ActiveOperation `json:"activeOperation,omitempty"`

	// LastOperation is the end of the Operation that last had the claim.
	// +optional
	LastOperation *LastOperation `json:"lastOperation,omitempty"`

	// Quarantine is set where the machine failed for good. It counts as unavailable and no
	// Operation starts on it until somebody releases it (stargate release server).
	// +optional
	Quarantine *Quarantine `json:"quarantine,omitempty"`

	// Conditions: Ready, Reachable, Healthy.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Applied is what a machine was last given.
type Applied struct {
	// Profile by name.
	// +optional
	Profile string `json:"profile,omitempty"`
	// Hash of what reached the machine.
	// +optional
	Hash string `json:"hash,omitempty"`
	// OSVersion of that profile.
	// +optional
	OSVersion string `json:"osVersion,omitempty"`
	// Operation that did it.
	// +optional
	Operation string `json:"operation,omitempty"`
	// At which time.
	// +optional
	At metav1.Time `json:"at,omitzero"`
}

// ActiveOperation is the claim on a Server.
type ActiveOperation struct {
	// Name of the Operation.
	// +required
	Name string `json:"name"`
	// UID of the Operation.
	// +required
	UID string `json:"uid"`
	// By which controller process the claim was made or taken over. Only that one dispatches for it
	// or gives it back untouched; another takes it over first, by compare-and-swap.
	// +optional
	By string `json:"by,omitempty"`
	// Since when the claim is held.
	// +optional
	Since metav1.Time `json:"since,omitzero"`
	// PreviousState of the machine, given back where nothing was done to it.
	// +optional
	PreviousState ServerState `json:"previousState,omitempty"`
}

// LastOperation is the end of the Operation that last had the claim, written together with giving
// the claim back, so that a crash between the two objects cannot tell two stories.
type LastOperation struct {
	// Name of the Operation.
	// +required
	Name string `json:"name"`
	// UID of the Operation.
	// +required
	UID string `json:"uid"`
	// Phase that it ends with.
	// +required
	Phase OperationPhase `json:"phase"`
	// Reason as a CamelCase word.
	// +required
	Reason string `json:"reason"`
	// Message for a person.
	// +optional
	Message string `json:"message,omitempty"`
	// At which time.
	// +optional
	At metav1.Time `json:"at,omitzero"`
}

// Quarantine of a machine that failed for good.
type Quarantine struct {
	// Operation that ended in the quarantine, by name.
	// +required
	Operation string `json:"operation"`
	// UID of that Operation. A release names it, so that it can never release a later quarantine.
	// +required
	UID string `json:"uid"`
	// Reason as a CamelCase word.
	// +required
	Reason string `json:"reason"`
	// Message says what happened and what to do.
	// +optional
	Message string `json:"message,omitempty"`
	// Since when.
	// +optional
	Since metav1.Time `json:"since,omitzero"`
	// JobMayRun: the site could not say that the job ended. Make sure of it before the release.
	// +optional
	JobMayRun bool `json:"jobMayRun,omitempty"`
}

// Server is one machine: its inventory in spec, what is known of it in status.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=srv,categories=stargate
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="OS",type=string,JSONPath=`.status.currentOS`
// +kubebuilder:printcolumn:name="IPv4",type=string,JSONPath=`.spec.ipv4`
// +kubebuilder:printcolumn:name="MAC",type=string,priority=1,JSONPath=`.spec.mac`
// +kubebuilder:printcolumn:name="Location",type=string,priority=1,JSONPath=`.spec.inventory.location`
// +kubebuilder:printcolumn:name="Profile",type=string,priority=1,JSONPath=`.status.applied.profile`
// +kubebuilder:printcolumn:name="Operation",type=string,priority=1,JSONPath=`.status.activeOperation.name`
// +kubebuilder:printcolumn:name="Ready",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,priority=1,JSONPath=`.metadata.creationTimestamp`
type Server struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the inventory.
	// +required
	Spec ServerSpec `json:"spec"`
	// Status is what is known.
	// +optional
	Status ServerStatus `json:"status,omitzero"`
}

// ServerList is a list of Servers.
// +kubebuilder:object:root=true
type ServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Server `json:"items"`
}
