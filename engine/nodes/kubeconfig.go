package nodes

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// maxKubeconfig bounds what is parsed.
	maxKubeconfig = 128 << 10
	// requestTimeout bounds one request; the run that it is made for has a deadline of its own.
	requestTimeout = 10 * time.Second
)

// cluster that the server is a node of.
func (h *Host) cluster(ctx context.Context) (kubernetes.Interface, error) {
	if h.ref == nil {
		return h.clusters.Management, nil
	}
	where := fmt.Sprintf("spec.allow.kubeconfigRef: Secret %s in namespace %s, key %s", h.ref.Name, h.server.Namespace, h.ref.Key)
	data, err := h.clusters.Secret(ctx, h.server.Namespace, h.ref.Name, h.ref.Key)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", where, err)
	}
	config, err := Kubeconfig(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", where, err)
	}
	cluster, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", where, err)
	}
	return cluster, nil
}

// Kubeconfig reads one that somebody put into a Secret. It may name an address and carry credentials.
// What would have this process run a program or read a file of its own is refused.
func Kubeconfig(data []byte) (*rest.Config, error) {
	if len(data) > maxKubeconfig {
		return nil, fmt.Errorf("a kubeconfig of %d bytes; at most %d are read", len(data), maxKubeconfig)
	}
	parsed, err := clientcmd.Load(data)
	if err != nil {
		// The parser's own words may hold a part of the file.
		return nil, fmt.Errorf("it is no kubeconfig")
	}
	if err := harmless(parsed); err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*parsed, "", &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig cannot be used: %w", err)
	}
	config.UserAgent, config.Timeout = "stargate-hooks", requestTimeout
	config.QPS, config.Burst = 50, 100
	return config, nil
}

// harmless tells what in a kubeconfig would reach beyond it.
func harmless(config *clientcmdapi.Config) error {
	const inline = "; put the data itself into the kubeconfig"
	for name, user := range config.AuthInfos {
		switch {
		case user.Exec != nil:
			return fmt.Errorf("user %s runs a program (exec), which is refused; use a token or a client certificate", name)
		case user.AuthProvider != nil:
			return fmt.Errorf("user %s uses an auth-provider, which is refused; use a token or a client certificate", name)
		case user.ClientCertificate != "" || user.ClientKey != "":
			return fmt.Errorf("user %s names files (client-certificate, client-key), which is refused%s", name, inline)
		case user.TokenFile != "":
			return fmt.Errorf("user %s names a file (tokenFile), which is refused%s", name, inline)
		}
	}
	for name, cluster := range config.Clusters {
		if cluster.CertificateAuthority != "" {
			return fmt.Errorf("cluster %s names a file (certificate-authority), which is refused%s", name, inline)
		}
		if cluster.ProxyURL != "" {
			return fmt.Errorf("cluster %s is reached through a proxy (proxy-url), which is refused", name)
		}
	}
	return nil
}
