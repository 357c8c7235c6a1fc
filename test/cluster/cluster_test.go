package cluster_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"stargate.io/stargate/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

func client(t *testing.T, c *rest.Config) kubernetes.Interface {
	t.Helper()
	k, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNamespacesAreOnesOwn(t *testing.T) {
	c := cluster.Shared(t)
	one, two := c.Namespace(t), c.Namespace(t)
	if one == two {
		t.Fatalf("got namespace %s twice", one)
	}
	_, err := client(t, c.Config).CoreV1().ConfigMaps(one).Create(context.Background(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAsIsBoundByRBAC(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	_, err := client(t, c.As("jane")).CoreV1().Secrets(ns).List(context.Background(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Fatalf("listing secrets as jane: got %v, want Forbidden", err)
	}
}
