package controllers

import (
	"context"
	"sync"
	"time"

	certificatesv1 "k8s.io/client-go/informers/certificates/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/controller/certificates/approver"
	"k8s.io/kubernetes/pkg/controller/certificates/cleaner"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/certificates/signer"
)

// certificateLifetime is how long what is signed here holds; kubelets renew in time.
const certificateLifetime = 365 * 24 * time.Hour

// newSigner makes the loop of one signer from the authority's certificate and key files.
type newSigner = func(ctx context.Context, client kubernetes.Interface, requests certificatesv1.CertificateSigningRequestInformer,
	cert, key string, lifetime time.Duration) (*signer.CSRSigningController, error)

// buildSigning signs approved requests, one loop for each signer of Kubernetes.
func buildSigning(ctx context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	var signers []*signer.CSRSigningController
	for _, build := range []newSigner{
		signer.NewKubeletClientCSRSigningController,
		signer.NewKubeletServingCSRSigningController,
		signer.NewKubeAPIServerClientCSRSigningController,
	} {
		s, err := build(ctx, client, d.informers.Certificates().V1().CertificateSigningRequests(),
			d.Keys.CA.Cert, d.Keys.CA.Key, certificateLifetime)
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	return func(ctx context.Context) {
		var wg sync.WaitGroup
		for _, s := range signers {
			wg.Go(func() { s.Run(ctx, 5) })
		}
		wg.Wait()
	}, nil
}

// buildApproving approves what a kubelet asks for itself, where RBAC lets it ask.
func buildApproving(ctx context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	c := approver.NewCSRApprovingController(ctx, client,
		d.informers.Certificates().V1().CertificateSigningRequests())
	return func(ctx context.Context) { c.Run(ctx, 5) }, nil
}

func buildRequestCleaner(_ context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	c := cleaner.NewCSRCleanerController(client.CertificatesV1().CertificateSigningRequests(),
		d.informers.Certificates().V1().CertificateSigningRequests())
	return func(ctx context.Context) { c.Run(ctx, 1) }, nil
}

// buildRootCA puts kube-root-ca.crt into each namespace, for pods to trust the server by.
func buildRootCA(_ context.Context, d *deps, account string) (func(context.Context), error) {
	client, err := d.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	c, err := rootcacertpublisher.NewPublisher(d.informers.Core().V1().ConfigMaps(), d.informers.Core().V1().Namespaces(), client, d.CA)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 1) }, nil
}
