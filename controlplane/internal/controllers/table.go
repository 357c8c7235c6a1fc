package controllers

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/bootstrap"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/nodelifecycle"
	serviceaccounts "k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

// kind is one controller: the name in errors, the service account whose role
// Kubernetes defines, and how it is built. build returns the function that runs it.
type kind struct {
	name    string
	account string
	build   func(ctx context.Context, d *deps, account string) (run func(context.Context), err error)
}

// all is the whole list, in the order of building. Tokens come first, since the others live on them.
var all = []kind{
	{"service-account token controller", "tokens-controller", buildTokens},
	{"service-account controller", "service-account-controller", buildServiceAccounts},
	{"namespace controller", "namespace-controller", buildNamespace},
	{"garbage collector", "generic-garbage-collector", buildGarbageCollector},
	{"cluster-role aggregation controller", "clusterrole-aggregation-controller", buildRoleAggregation},
	{"root CA publisher", "root-ca-cert-publisher", buildRootCA},
	{"certificate signing controller", "certificate-controller", buildSigning},
	{"certificate approving controller", "certificate-controller", buildApproving},
	{"certificate request cleaner", "certificate-controller", buildRequestCleaner},
	{"bootstrap signer", "bootstrap-signer", buildBootstrapSigner},
	{"token cleaner", "token-cleaner", buildTokenCleaner},
	{"node lifecycle controller", "node-controller", buildNodeLifecycle},
}

// buildTokens fills Secrets of type service-account-token. It runs as the root
// of the controllers, as in Kubernetes: it has no token of its own yet.
func buildTokens(ctx context.Context, d *deps, _ string) (func(context.Context), error) {
	key, err := keyutil.PrivateKeyFromFile(d.Keys.ServiceAccountKey)
	if err != nil {
		return nil, fmt.Errorf("reading service-account key: %w", err)
	}
	generator, err := serviceaccount.JWTTokenGenerator(serviceaccount.LegacyIssuer, key)
	if err != nil {
		return nil, fmt.Errorf("making token generator: %w", err)
	}
	client, err := kubernetes.NewForConfig(d.root)
	if err != nil {
		return nil, err
	}
	c, err := serviceaccounts.NewTokensController(klog.FromContext(ctx),
		d.informers.Core().V1().ServiceAccounts(), d.informers.Core().V1().Secrets(), client,
		serviceaccounts.TokensControllerOptions{TokenGenerator: generator, RootCA: d.CA})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}

// buildServiceAccounts gives each namespace its account "default".
func buildServiceAccounts(ctx context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	c, err := serviceaccounts.NewServiceAccountsController(klog.FromContext(ctx),
		d.informers.Core().V1().ServiceAccounts(), d.informers.Core().V1().Namespaces(), client,
		serviceaccounts.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 1) }, nil
}

func buildNamespace(ctx context.Context, d *deps, account string) (func(context.Context), error) {
	config, err := d.accounts.Config(account)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	c := namespace.NewNamespaceController(ctx, client, meta, client.Discovery().ServerPreferredNamespacedResources,
		d.informers.Core().V1().Namespaces(), 5*time.Minute, v1.FinalizerKubernetes)
	return func(ctx context.Context) { c.Run(ctx, 10) }, nil
}

func buildGarbageCollector(ctx context.Context, d *deps, account string) (func(context.Context), error) {
	config, err := d.accounts.Config(account)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	// The graph is read with the root's client, which may list every kind; deleting takes the account's.
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, d.metadata, d.mapper,
		garbagecollector.DefaultIgnoredResources(), d.anyInformers, d.informersStarted)
	c, err := garbagecollector.NewComposedGarbageCollector(ctx, client, meta, d.mapper, graph)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		go c.Sync(ctx, client.Discovery(), discover)
		c.Run(ctx, 20, 30*time.Second)
	}, nil
}

// buildRoleAggregation fills the roles admin, edit and view from the labelled roles of others.
func buildRoleAggregation(_ context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	c := clusterroleaggregation.NewClusterRoleAggregation(d.informers.Rbac().V1().ClusterRoles(), client.RbacV1())
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}

// buildBootstrapSigner signs kube-public/cluster-info with every bootstrap token.
func buildBootstrapSigner(_ context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	c, err := bootstrap.NewSigner(client, d.informers.Core().V1().Secrets(), d.informers.Core().V1().ConfigMaps(),
		bootstrap.DefaultSignerOptions())
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}

// buildTokenCleaner deletes bootstrap tokens that have ended.
func buildTokenCleaner(_ context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	c, err := bootstrap.NewTokenCleaner(client, d.informers.Core().V1().Secrets(), bootstrap.DefaultTokenCleanerOptions())
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}

// buildNodeLifecycle marks nodes whose lease goes stale. The numbers are the
// defaults of kube-controller-manager 1.37.
func buildNodeLifecycle(ctx context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	const (
		monitor, startupGrace, grace    = 5 * time.Second, 60 * time.Second, 50 * time.Second
		evictionsPerSecond, inBadZone   = 0.1, 0.01
		largeCluster, unhealthyFraction = 50, 0.55
	)
	c, err := nodelifecycle.NewNodeLifecycleController(ctx,
		d.informers.Coordination().V1().Leases(), d.informers.Core().V1().Pods(),
		d.informers.Core().V1().Nodes(), d.informers.Apps().V1().DaemonSets(), client,
		monitor, startupGrace, grace, evictionsPerSecond, inBadZone, largeCluster, unhealthyFraction)
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}
