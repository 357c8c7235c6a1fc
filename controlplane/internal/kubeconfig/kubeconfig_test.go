package kubeconfig

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"stargate.io/stargate/controlplane/internal/pki"
)

func TestAdminHoldsAllItNeeds(t *testing.T) {
	keys, _, err := pki.Ensure(t.TempDir(), pki.Names{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	content, err := Admin("https://[::1]:6443", keys.CA.Cert, keys.Admin)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "new", "kubeconfig")
	for range 2 { // made, then replaced
		if err := Write(path, content); err != nil {
			t.Fatal(err)
		}
	}
	if info, _ := os.Stat(path); info.Mode() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
	c, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "https://[::1]:6443" || c.CAFile+c.CertFile+c.KeyFile != "" ||
		len(c.CAData) == 0 || len(c.CertData) == 0 || len(c.KeyData) == 0 {
		t.Errorf("got %v", c)
	}
}

func TestClusterInfoHoldsNoUser(t *testing.T) {
	content, err := ClusterInfo("https://192.0.2.1:6443", []byte("ca"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := clientcmd.Load(content)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.AuthInfos) != 0 || c.Clusters[""].Server != "https://192.0.2.1:6443" {
		t.Errorf("got %s", content)
	}
}

func TestAdminSaysWhatIsMissing(t *testing.T) {
	if _, err := Admin("https://x", "absent", pki.Pair{}); err == nil {
		t.Error("got no error")
	}
}
