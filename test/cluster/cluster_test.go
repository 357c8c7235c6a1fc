package cluster_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"stargate.io/stargate/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m, cluster.Bare(), cluster.WithAuditLog()) }

func client(t *testing.T, c *rest.Config) kubernetes.Interface {
	t.Helper()
	k, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func create(t *testing.T, c kubernetes.Interface, ns, name string) error {
	t.Helper()
	_, err := c.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	return err
}

func TestNamespacesAreOnesOwn(t *testing.T) {
	c := cluster.Shared(t)
	one, two := c.Namespace(t), c.Namespace(t)
	if one == two {
		t.Fatalf("got namespace %s twice", one)
	}
	if !strings.HasPrefix(one, "t-testnamespacesareonesown-") {
		t.Errorf("%s does not tell which test it is of", one)
	}
	for _, ns := range []string{one, two} {
		if err := create(t, client(t, c.Config), ns, "a"); err != nil {
			t.Error(err)
		}
	}
}

func TestAsIsBoundByRBAC(t *testing.T) {
	c := cluster.Shared(t)
	_, err := client(t, c.As("jane", "bakers")).CoreV1().Secrets(c.Namespace(t)).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Fatalf("listing secrets as jane: got %v, want Forbidden", err)
	}
}

func TestAuditLog(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	until(t, func() error {
		b, err := os.ReadFile(c.AuditLog)
		if err == nil && !strings.Contains(string(b), ns) {
			err = errors.New("the audit log does not mention " + ns)
		}
		return err
	})
}

const cakes = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cakes.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: cakes, kind: Cake}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
  - {name: v0, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
---
# a document without an object
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-cakes}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [example.com], apiVersions: ["*"], operations: [CREATE], resources: [cakes]}]
  validations: [{expression: "false", message: they are eaten}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-cakes}
spec: {policyName: no-cakes, validationActions: [Deny]}
`

// TestApply: what is applied is served and in force on return, so that tests need not wait.
func TestApply(t *testing.T) {
	c := cluster.Shared(t)
	objects, err := cluster.Decode([]byte(cakes))
	if err != nil || len(objects) != 3 {
		t.Fatalf("decoding: got %d objects, %v", len(objects), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 { // the second time changes nothing
		if err := c.Apply(ctx, objects...); err != nil {
			t.Fatal(err)
		}
	}
	c.AdmissionInForce(t)
	d, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	cake, _ := cluster.Decode([]byte(`{apiVersion: example.com/v1, kind: Cake, metadata: {name: a}}`))
	_, err = d.Resource(schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "cakes"}).
		Namespace(c.Namespace(t)).Create(ctx, cake[0], metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "they are eaten") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// TestKindsAreInstalled: every kind of config/crd is served when Start returns.
func TestKindsAreInstalled(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("config/crd holds no kinds: %v", err)
	}
	c := cluster.Start(t)
	served, err := client(t, c.Config).Discovery().ServerResourcesForGroupVersion("stargate.io/v1alpha1")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		plural, found := strings.CutPrefix(strings.TrimSuffix(filepath.Base(f), ".yaml"), "stargate.io_")
		if found && !slices.ContainsFunc(served.APIResources, func(r metav1.APIResource) bool { return r.Name == plural }) {
			t.Errorf("%s is not served", plural)
		}
	}
}

func TestStartIsOnesOwn(t *testing.T) {
	c := cluster.Start(t, cluster.Bare(), cluster.WithFlags("-v", "1"))
	if c.URL == cluster.Shared(t).URL {
		t.Error("got the shared one")
	}
	if err := create(t, client(t, c.Config), "default", "a"); err != nil {
		t.Error(err)
	}
}

// TestDiesWithItsTest kills a test process that runs a cluster, and looks for what it left.
func TestDiesWithItsTest(t *testing.T) {
	if os.Getenv("STARGATE_TEST_TO_KILL") != "" {
		c := cluster.Start(t, cluster.Bare())
		if err := os.WriteFile(os.Getenv("STARGATE_TEST_TO_KILL"), []byte(c.Kubeconfig), 0o600); err != nil {
			t.Fatal(err)
		}
		select {} // until killed
	}
	adoptOrphans(t)
	said := filepath.Join(t.TempDir(), "said")
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiesWithItsTest$")
	cmd.Env = append(os.Environ(), "STARGATE_TEST_TO_KILL="+said)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var kubeconfig []byte
	until(t, func() error {
		var err error
		if kubeconfig, err = os.ReadFile(said); err == nil && len(kubeconfig) == 0 {
			err = errors.New("not written yet")
		}
		return err
	})
	dir := filepath.Dir(string(kubeconfig))
	lock, err := os.ReadFile(filepath.Join(dir, "data", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(lock)))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	until(t, func() error {
		// It is ours to collect now, unless whoever collects orphans here was quicker.
		got, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		if got == pid || errors.Is(err, syscall.ECHILD) && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return nil
		}
		return errors.New("the control plane outlives its test")
	})
	// Its data goes when the next one starts.
	cluster.Start(t, cluster.Bare())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: got %v, want it gone", dir, err)
	}
}

// adoptOrphans has grandchildren whose parent ends become children of this process, for t.
func adoptOrphans(t *testing.T) {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER
	set := func(on uintptr) {
		if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, on, 0); errno != 0 {
			t.Fatalf("adopting orphans: %v", errno)
		}
	}
	set(1)
	t.Cleanup(func() { set(0) })
}

// until polls for a minute, which is for slow machines.
func until(t *testing.T, done func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err := done(); err != nil; err = done() {
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
