package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ProvisioningProfileSpec is what a machine is provisioned with.
type ProvisioningProfileSpec struct {
	// OSVersion that the machine runs afterwards, for example "2.0.0".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +required
	OSVersion string `json:"osVersion"`

	// OSImage is the URL of the image. Http, https and file URLs are taken; what the site can reach
	// is for the site to say.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (self.startsWith('file:///') || ((self.startsWith('https://') || self.startsWith('http://')) && url(self).getHost() != '')) && !self.matches('^[a-z]+://[^/]*@')",message="must be an http, https or file URL without user and password, for example \"https://images.example.com/os-2.1.0.img\""
	// +optional
	OSImage string `json:"osImage,omitempty"`

	// OSImageChecksum of the image, as "sha256:<64 hex digits>" or "sha512:<128 hex digits>".
	// +kubebuilder:validation:MaxLength=135
	// +kubebuilder:validation:XValidation:rule="self.matches('^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$')",message="must be \"sha256:\" and 64, or \"sha512:\" and 128 hex digits in lower case"
	// +optional
	OSImageChecksum string `json:"osImageChecksum,omitempty"`

	// OSImageFormat of the image. Default: what the site makes of it.
	// +kubebuilder:validation:Enum=raw;qcow2;iso;vmdk;vhd
	// +optional
	OSImageFormat string `json:"osImageFormat,omitempty"`

	// UserData is the cloud-init user data. A template over the server's fields.
	// +optional
	UserData *DataSource `json:"userData,omitempty"`

	// NetworkData is the cloud-init network configuration. A template over the server's fields.
	// +optional
	NetworkData *DataSource `json:"networkData,omitempty"`

	// MetaData is the cloud-init meta data. A template over the server's fields.
	// +optional
	MetaData *DataSource `json:"metaData,omitempty"`
}

// DataSource is a document, inline or from a Secret of the same namespace.
// +kubebuilder:validation:XValidation:rule="has(self.inline) != has(self.secretRef)",message="exactly one of inline and secretRef is needed"
type DataSource struct {
	// Inline document.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	Inline string `json:"inline,omitempty"`
	// SecretRef names the Secret and key that hold it.
	// +optional
	SecretRef *SecretKeyReference `json:"secretRef,omitempty"`
}

// ProvisioningProfileStatus is what is known of a profile.
type ProvisioningProfileStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Hash over what reaches a machine.
	// +optional
	Hash string `json:"hash,omitempty"`
	// Conditions: Ready.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ProvisioningProfile is what a machine is provisioned with.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pp,categories=stargate
// +kubebuilder:printcolumn:name="OS",type=string,JSONPath=`.spec.osVersion`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.osImage`
// +kubebuilder:printcolumn:name="Hash",type=string,priority=1,JSONPath=`.status.hash`
type ProvisioningProfile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what a machine is provisioned with.
	// +required
	Spec ProvisioningProfileSpec `json:"spec"`
	// Status is what is known of it.
	// +optional
	Status ProvisioningProfileStatus `json:"status,omitzero"`
}

// ProvisioningProfileList is a list of ProvisioningProfiles.
// +kubebuilder:object:root=true
type ProvisioningProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ProvisioningProfile `json:"items"`
}
