package cluster

import (
	"context"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

var notDNS = regexp.MustCompile(`[^a-z0-9]+`)

// Namespace makes a namespace that is tb's alone, named after it, and deletes it
// when tb ends. It does not wait for the deletion: the data goes with the cluster.
func (c *Cluster) Namespace(tb testing.TB) string {
	tb.Helper()
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		tb.Fatalf("making a client: %v", err)
	}
	ns, err := client.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: prefix(tb.Name())},
	}, metav1.CreateOptions{})
	if err != nil {
		tb.Fatalf("making a namespace: %v", err)
	}
	tb.Cleanup(func() {
		// Best effort: a test may have deleted it, or stopped the server.
		_ = client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	return ns.Name
}

// prefix makes the start of a namespace's name from a test's; the server adds five characters.
func prefix(test string) string {
	s := strings.Trim(notDNS.ReplaceAllString(strings.ToLower(test), "-"), "-")
	return "t-" + strings.Trim(s[:min(len(s), 40)], "-") + "-"
}
