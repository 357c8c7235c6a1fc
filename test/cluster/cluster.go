// Package cluster gives tests a real API server: etcd, kube-apiserver and
// Kubernetes' own controllers in one process (controlplane/), with Stargate's
// kinds installed.
//
// In: a test. Out: a client configuration, and namespaces to work in. It must
// leave nothing behind: the process ends with the test, also when the test
// panics or is killed, and its data with it.
//
// Most packages share one:
//
//	func TestMain(m *testing.M) { cluster.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		c := cluster.Shared(t)
//		ns := c.Namespace(t)
//		...
//	}
//
// The first run builds the binary, which takes some minutes; it is cached then.
package cluster

import (
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"stargate.io/stargate/test/checkout"
)

// Cluster is a running control plane.
type Cluster struct {
	Config     *rest.Config // of an administrator, exempt from the server's rate limits; copy it before changing it
	URL        string       // https://127.0.0.1:PORT
	Kubeconfig string       // path of a file that holds the same as Config
	AuditLog   string       // path of the audit events (JSON lines); empty unless asked for with WithAuditLog

	process *process
	// settle returns once what was installed is served and in force.
	settle func() error
}

// Option changes how a cluster is started.
type Option func(*options)

type options struct {
	flags    []string
	auditLog bool
	bare     bool
	after    func() error
}

// WithFlags passes flags to the control plane's binary.
func WithFlags(flags ...string) Option {
	return func(o *options) { o.flags = append(o.flags, flags...) }
}

// WithAuditLog has every request noted in Cluster.AuditLog, who, verb, object and
// outcome, shortly after it was answered.
func WithAuditLog() Option { return func(o *options) { o.auditLog = true } }

// Bare leaves out Stargate's kinds and admission policies.
func Bare() Option { return func(o *options) { o.bare = true } }

// AfterTests has Main call check once the tests have run and the shared cluster has
// stopped, and fail where it fails.
func AfterTests(check func() error) Option { return func(o *options) { o.after = check } }

// Start runs a control plane for tb alone and stops it when tb ends. It fails
// tb when that does not work, with the server's last words.
func Start(tb testing.TB, opts ...Option) *Cluster {
	tb.Helper()
	c, err := start(opts...)
	if err != nil {
		tb.Fatalf("starting a control plane: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.process.stop(); err != nil {
			tb.Errorf("stopping the control plane: %v", err)
		}
	})
	return c
}

func start(opts ...Option) (*Cluster, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	root, err := checkout.Root()
	if err != nil {
		return nil, err
	}
	p, err := launch(root, o)
	if err != nil {
		return nil, err
	}
	c := &Cluster{URL: p.url, Kubeconfig: p.kubeconfig, AuditLog: p.auditLog, process: p}
	if c.Config, err = clientcmd.BuildConfigFromFlags("", p.kubeconfig); err == nil {
		// Tests are to feel the server's limits, not client-go's five requests a second.
		c.Config.QPS = -1
		c.settle = func() error { return c.install(root) }
		if o.bare {
			c.settle = func() error { return nil }
		}
		err = c.settle()
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return c, nil
}

// As returns the configuration of another user: RBAC applies to it in full.
func (c *Cluster) As(user string, groups ...string) *rest.Config {
	config := rest.CopyConfig(c.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return config
}
