package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"stargate.io/stargate/test/cluster"
)

// setupDemo runs scripts/setup-demo.sh.
func setupDemo(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	for _, tool := range []string{"kubectl", "openssl", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing: apt-get install kubernetes-client openssl openssh-client", tool)
		}
	}
	cmd := exec.CommandContext(t.Context(), "../../scripts/setup-demo.sh", arguments...)
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var aToken = regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`)

// TestSetupDemo prepares a cluster and writes what an API server takes, for its owner alone; the token that it makes is good, is
// said nowhere, and is kept by a second run.
func TestSetupDemo(t *testing.T) {
	c, dir := cluster.Shared(t), filepath.Join(t.TempDir(), "demo")
	run := func() string {
		t.Helper()
		out, err := setupDemo(t, "--kubeconfig", c.Kubeconfig, "--dir", dir, "--versions", "12.1 12.2", "--image", "file:///images/node-@VERSION@.qcow2")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if aToken.MatchString(out) {
			t.Errorf("the token is told:\n%s", out)
		}
		if !strings.Contains(out, "kubectl apply -f "+dir+"/operation.yaml") {
			t.Errorf("it does not say how to go on:\n%s", out)
		}
		return aToken.FindString(onlyHere(t, dir, "profile.yaml"))
	}
	token := run()
	if again := run(); token == "" || again != token {
		t.Errorf("the second run has another token than the first")
	}
	untilSigned(t, c, token)
	for _, file := range []string{"server", "profile", "hook", "operation", "operation-next"} {
		kubectl(t, c, "create", "--dry-run=client", "-f", filepath.Join(dir, file+".yaml"))
	}
	// Of what the API server knows itself, it is asked: the namespace is not there, which only objects without one can do.
	kubectl(t, c, "create", "--dry-run=server", "-f", filepath.Join(dir, "namespace.yaml"), "-f", filepath.Join(dir, "hook.yaml"))
	profile, _ := os.ReadFile(filepath.Join(dir, "profile.yaml"))
	for _, want := range []string{`osImage: "file:///images/node-12.2.qcow2"`, "caCertHashes: [\"sha256:", "OS_VERSION=12.1", "ssh-ed25519 "} {
		if !strings.Contains(string(profile), want) {
			t.Errorf("profile.yaml has no %s", want)
		}
	}
	if left := regexp.MustCompile(`@[A-Z_]+@`).FindString(string(profile)); left != "" {
		t.Errorf("%s was not filled in", left)
	}
}

// onlyHere gives a file, which is the only one in its folder with a token in it. None is readable by others.
func onlyHere(t *testing.T, dir, name string) string {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if info.Mode().Perm()&0o077 != 0 && !strings.HasSuffix(path, ".pub") {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if entry.Name() != name && aToken.Match(text) {
			t.Errorf("%s holds the token", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// untilSigned: nodes can check what the cluster says of itself with the token, for an hour and no longer.
func untilSigned(t *testing.T, c *cluster.Cluster, token string) {
	t.Helper()
	id, _, _ := strings.Cut(token, ".")
	kube := kubernetes.NewForConfigOrDie(c.Config)
	info, err := kube.CoreV1().ConfigMaps("kube-public").Get(t.Context(), "cluster-info", metav1.GetOptions{})
	if err != nil || info.Data["jws-kubeconfig-"+id] == "" {
		t.Errorf("cluster-info is not signed: %v", err)
	}
	secret, err := kube.CoreV1().Secrets("kube-system").Get(t.Context(), "bootstrap-token-"+id, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until, err := time.Parse(time.RFC3339, string(secret.Data["expiration"]))
	if left := time.Until(until); err != nil || left > time.Hour || left < 50*time.Minute {
		t.Errorf("the token ends in %v: %v", left, err)
	}
}

// TestSetupDemoDryRun does nothing, and what cannot be is refused before anything is done.
func TestSetupDemoDryRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	out, err := setupDemo(t, "--dry-run", "--dir", dir)
	if err != nil || !strings.Contains(out, "would write "+dir+"/profile.yaml") || !strings.Contains(out, "would start the embedded control plane") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, bad := range [][]string{{"--server", "../x"}, {"--server", "a\nb"}, {"--ipv4", "192.168.100.256"}, {"--gateway", "x"}, {"--versions", "1.0.0"},
		{"--versions", "1 2$(id)"}, {"--image", "file:///x\" y"}, {"--image", "ssh://x"}, {"--endpoint", "x:y"}, {"--kubeconfig", "/nowhere"}, {"--ssh-key", "/nowhere"}, {"--what"}, {"--dir"}} {
		if out, err := setupDemo(t, append([]string{"--dry-run", "--dir", dir}, bad...)...); err == nil || !strings.Contains(out, "setup-demo: ") {
			t.Errorf("%q: %v\n%s", bad, err, out)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s was made", dir)
	}
}
