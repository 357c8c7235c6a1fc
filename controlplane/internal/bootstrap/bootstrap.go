// Package bootstrap puts the objects in place that a cluster needs before
// anybody can work with it: Kubernetes' own roles, and what kubeadm calls its
// bootstrap-token, cluster-info and upload-config phases, so that nodes can join,
// with kubeadm or by themselves.
//
// In: a client above authorization and what to publish. Out: objects in
// the API. It must never take back what an operator changed in the roles of
// Kubernetes, nor what others put beside ours.
package bootstrap

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	atOnce = 16 // requests in flight
	retry  = 20 * time.Millisecond
)

// task makes one object. It is repeated when another one failed, and so must not mind finding its work done.
type task = func(context.Context) error

// Cluster is what a joining node is told of it.
type Cluster struct {
	// Kubeconfig without a user, for cluster-info.
	Kubeconfig []byte
	// Name and Version, as kubeadm calls them.
	Name, Version string
	// Endpoint is where nodes reach the API server, host:port.
	Endpoint string
	// Services is the CIDR of Service addresses.
	Services string
}

// Apply writes the objects. It can be called as soon as the server listens, and tries again
// until ctx ends: a server that is still starting refuses some requests.
func Apply(ctx context.Context, client kubernetes.Interface, cluster Cluster) error {
	for {
		err := apply(ctx, client, cluster)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-time.After(retry):
		}
	}
}

func apply(ctx context.Context, client kubernetes.Interface, cluster Cluster) error {
	// The server makes them too, a little later than roles in them are wanted here.
	for _, name := range []string{metav1.NamespaceSystem, metav1.NamespacePublic} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := made(client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})); err != nil {
			return fmt.Errorf("making namespace %s: %w", name, err)
		}
	}
	tasks, err := missingRoles(ctx, client.RbacV1())
	if err != nil {
		return err
	}
	tasks = append(tasks, joining(client, cluster.Kubeconfig)...)
	tasks = append(tasks, kubeadm(client, cluster)...)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, t := range tasks {
		g.Go(func() error { return t(ctx) })
	}
	return g.Wait()
}

// made turns the outcome of a Create into nil when the object is there, whoever made it.
func made[T any](_ T, err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
