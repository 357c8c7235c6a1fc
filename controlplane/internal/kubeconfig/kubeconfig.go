// Package kubeconfig writes the file that tells clients where the API server
// is and who they are.
//
// In: an address and PEM bytes. Out: a kubeconfig with everything inside it, so
// that it can be copied anywhere. It must never be readable by others.
package kubeconfig

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"stargate.io/stargate/controlplane/internal/atomicfile"
	"stargate.io/stargate/controlplane/internal/pki"
)

// Name is what the cluster and the context are called.
const Name = "stargate"

// Admin renders the kubeconfig of whoever holds the client pair.
func Admin(url string, ca string, client pki.Pair) ([]byte, error) {
	pem := func(path string, into *[]byte) error {
		b, err := os.ReadFile(path)
		*into = b
		return err
	}
	cluster := &clientcmdapi.Cluster{Server: url}
	user := &clientcmdapi.AuthInfo{}
	for path, into := range map[string]*[]byte{
		ca:          &cluster.CertificateAuthorityData,
		client.Cert: &user.ClientCertificateData,
		client.Key:  &user.ClientKeyData,
	} {
		if err := pem(path, into); err != nil {
			return nil, fmt.Errorf("reading for kubeconfig: %w", err)
		}
	}
	return clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{Name: cluster},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"admin": user},
		Contexts:       map[string]*clientcmdapi.Context{Name: {Cluster: Name, AuthInfo: "admin"}},
		CurrentContext: Name,
	})
}

// ClusterInfo renders the kubeconfig without a user that a joining node reads
// from the ConfigMap kube-public/cluster-info.
func ClusterInfo(url string, ca []byte) ([]byte, error) {
	return clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"": {Server: url, CertificateAuthorityData: ca}},
	})
}

// Write replaces the file at path, with mode 0600, making its folder if absent.
func Write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making folder of kubeconfig: %w", err)
	}
	return atomicfile.Write(path, content, 0o600)
}
