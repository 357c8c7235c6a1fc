package fault

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	profileName = "os-2-0-0"
	osVersion   = "2.0.0"
)

// server object number n.
func server(namespace string, n int) *v1alpha1.Server {
	return &v1alpha1.Server{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serverName(n)},
		Spec:       v1alpha1.ServerSpec{MAC: fmt.Sprintf("aa:bb:cc:dd:%02x:%02x", n>>8, n&0xff), IPv4: fmt.Sprintf("10.0.%d.%d", n>>8, n&0xff)},
	}
}

func serverName(n int) string { return fmt.Sprintf("server-%03d", n) }

func profile(namespace string) *v1alpha1.ProvisioningProfile {
	return &v1alpha1.ProvisioningProfile{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: profileName},
		Spec:       v1alpha1.ProvisioningProfileSpec{OSVersion: osVersion, OSImage: "https://images.example.com/2.0.0.img"},
	}
}

// operation on server number n.
func operation(namespace, name string, n int, action v1alpha1.Action) *v1alpha1.Operation {
	op := &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: serverName(n)}, Operation: action},
	}
	if action == v1alpha1.ActionRepave {
		op.Spec.ProvisioningProfileRef = &v1alpha1.LocalReference{Name: profileName}
	}
	return op
}
