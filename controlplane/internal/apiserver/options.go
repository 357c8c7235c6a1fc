package apiserver

import (
	"fmt"
	"net"
	"path/filepath"
	"time"

	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"k8s.io/kubernetes/pkg/controlplane/reconcilers"

	"stargate.io/stargate/controlplane/internal/atomicfile"
	"stargate.io/stargate/controlplane/internal/pki"
)

// Issuer is what service-account tokens say they come from. It is a name, not
// an address, so that tokens stay good when the port changes.
const Issuer = "https://kubernetes.default.svc.cluster.local"

// authentication lets requests without credentials reach health and version,
// and the ConfigMap that a node checks with its bootstrap token before it trusts
// this server. Anything else without credentials ends with 401.
const authentication = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
  - path: /version
  - path: /api/v1/namespaces/kube-public/configmaps/cluster-info
`

// auditPolicy notes who did what to which object, and no bodies: Secrets pass here.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

func options(c Config) (*apioptions.ServerRunOptions, error) {
	o := apioptions.NewServerRunOptions()
	o.Etcd.StorageConfig.Transport.ServerList = []string{c.Etcd}
	o.Authorization.Modes = []string{"Node", "RBAC"}
	o.Admission.GenericAdmission.EnablePlugins = []string{"NodeRestriction"}
	o.AllowPrivileged = true // whether a pod may be privileged is for admission policies to say
	o.ServiceClusterIPRanges = c.ServiceIP.String()
	o.Features.EnableProfiling = false
	limits(o, c)
	serving(o, c)
	identities(o, c.Keys)
	return o, files(o, c)
}

// limits keeps priority and fairness on, as in every cluster that Stargate will
// meet, so that what is measured here holds there: a client that floods the
// server delays itself and not the leader's lease. Members of system:masters,
// the admin kubeconfig among them, are exempt. The shares are larger than the
// defaults, which are meant for three servers behind a balancer.
func limits(o *apioptions.ServerRunOptions, c Config) {
	o.Features.EnablePriorityAndFairness = true
	o.GenericServerRunOptions.MaxRequestsInFlight = c.MaxInFlight
	o.GenericServerRunOptions.MaxMutatingRequestsInFlight = c.MaxMutatingInFlight
}

func serving(o *apioptions.ServerRunOptions, c Config) {
	addr := c.Listener.Addr().(*net.TCPAddr)
	o.SecureServing.Listener = c.Listener
	o.SecureServing.BindAddress = addr.IP
	o.SecureServing.BindPort = addr.Port
	o.SecureServing.ExternalAddress = c.Advertise
	o.SecureServing.ServerCert.CertKey.CertFile = c.Keys.APIServer.Cert
	o.SecureServing.ServerCert.CertKey.KeyFile = c.Keys.APIServer.Key
	o.GenericServerRunOptions.AdvertiseAddress = c.Advertise
	o.EndpointReconcilerType = string(reconcilers.LeaseEndpointReconcilerType)
	if c.Advertise.IsLoopback() {
		// Endpoints may not hold a loopback address, and nobody could use it.
		o.EndpointReconcilerType = string(reconcilers.NoneEndpointReconcilerType)
	}
	// On the way down: tell watchers to go, answer the rest with Retry-After.
	// Without these two an open watch holds the process for a minute.
	o.GenericServerRunOptions.ShutdownSendRetryAfter = true
	o.GenericServerRunOptions.ShutdownWatchTerminationGracePeriod = time.Second
}

func identities(o *apioptions.ServerRunOptions, keys pki.Bundle) {
	o.Authentication.ClientCert.ClientCA = keys.CA.Cert
	o.Authentication.BootstrapToken.Enable = true
	o.Authentication.ServiceAccounts.Issuers = []string{Issuer}
	o.Authentication.ServiceAccounts.KeyFiles = []string{keys.ServiceAccountKey}
	o.ServiceAccountSigningKeyFile = keys.ServiceAccountKey
	o.KubeletConfig.TLSClientConfig.CertFile = keys.KubeletClient.Cert
	o.KubeletConfig.TLSClientConfig.KeyFile = keys.KubeletClient.Key
	o.KubeletConfig.TLSClientConfig.CAFile = keys.CA.Cert
}

// files writes what kube-apiserver only takes as files.
func files(o *apioptions.ServerRunOptions, c Config) error {
	o.Authentication.AuthenticationConfigFile = filepath.Join(c.Dir, "authentication.yaml")
	if err := atomicfile.Write(o.Authentication.AuthenticationConfigFile, []byte(authentication), 0o600); err != nil {
		return fmt.Errorf("configuring authentication: %w", err)
	}
	if c.AuditLog == "" {
		return nil
	}
	o.Audit.PolicyFile = filepath.Join(c.Dir, "audit-policy.yaml")
	if err := atomicfile.Write(o.Audit.PolicyFile, []byte(auditPolicy), 0o600); err != nil {
		return fmt.Errorf("configuring audit: %w", err)
	}
	o.Audit.LogOptions.Path = c.AuditLog
	o.Audit.LogOptions.MaxSize = 100 // MiB, then a new file
	o.Audit.LogOptions.MaxBackups = 10
	return nil
}
