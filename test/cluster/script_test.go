package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"stargate.io/stargate/test/cluster"
)

// fakeGo stands in for the compiler: it notes that it was asked, takes its time, and writes a file.
const fakeGo = `#!/bin/sh
case $1 in
build)
	echo x >>"$FAKE_GO_BUILDS"
	sleep 0.2
	[ -z "$FAKE_GO_FAILS" ] || exit 1
	while [ "$1" != -o ]; do shift; done
	echo "#!/bin/sh" >"$2" && chmod +x "$2" ;;
list) echo v1.37.2 ;;
*) echo "$@" ;;
esac
`

// checkout is a copy of the script with sources of no weight and a cache of its own.
type checkout struct {
	t    *testing.T
	root string
	env  []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{t: t, root: t.TempDir()}
	script, err := os.ReadFile("../../hack/controlplane.sh")
	if err != nil {
		t.Fatal(err)
	}
	c.write("hack/controlplane.sh", string(script), 0o755)
	c.write("controlplane/go.mod", "module x\n", 0o644)
	c.write("controlplane/main.go", "package main\n", 0o644)
	c.write("fake/go", fakeGo, 0o755)
	c.env = append(os.Environ(),
		"PATH="+filepath.Join(c.root, "fake")+":"+os.Getenv("PATH"),
		"STARGATE_CACHE="+filepath.Join(c.root, "cache"),
		"FAKE_GO_BUILDS="+filepath.Join(c.root, "builds"))
	return c
}

func (c *checkout) write(name, content string, mode os.FileMode) {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checkout) run(arg string, env ...string) (string, error) {
	cmd := exec.Command(filepath.Join(c.root, "hack/controlplane.sh"), arg)
	cmd.Env = append(c.env, env...)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func (c *checkout) must(arg string) string {
	c.t.Helper()
	out, err := c.run(arg)
	if err != nil {
		c.t.Fatalf("%s: %v", arg, err)
	}
	return out
}

func (c *checkout) builds() int {
	b, _ := os.ReadFile(filepath.Join(c.root, "builds"))
	return strings.Count(string(b), "x")
}

func (c *checkout) cached() []string {
	dirs, _ := filepath.Glob(filepath.Join(c.root, "cache", "*-*"))
	hidden, _ := filepath.Glob(filepath.Join(c.root, "cache", ".*-*"))
	return append(dirs, hidden...)
}

func TestParallelCallersBuildOnce(t *testing.T) {
	c := newCheckout(t)
	want := c.must("path")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := c.run("build"); err != nil || got != want {
				t.Errorf("got %s %v, want %s", got, err, want)
			}
		})
	}
	wg.Wait()
	if n := c.builds(); n != 1 {
		t.Errorf("built %d times", n)
	}
	if info, err := os.Stat(want); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("%s: %v %v", want, info, err)
	}
	if to, _ := os.Readlink(filepath.Join(c.root, "bin/controlplane")); to != want {
		t.Errorf("bin/controlplane is %s, want %s", to, want)
	}
}

func TestKeyCoversWhatTheBinaryIsMadeFrom(t *testing.T) {
	c := newCheckout(t)
	last := c.must("path")
	for name, same := range map[string]bool{
		"controlplane/main_test.go":    true,
		"controlplane/README.md":       true,
		"controlplane/internal/a/a.go": false,
		"controlplane/go.sum":          false,
		"controlplane/go.mod":          false,
	} {
		c.write(name, "changed\n", 0o644)
		now := c.must("path")
		if (now == last) != same {
			t.Errorf("after a change of %s: same is %v, want %v", name, now == last, same)
		}
		last = now
	}
}

func TestCacheKeepsTheNewestThree(t *testing.T) {
	c := newCheckout(t)
	var paths []string
	for i := range 5 {
		c.write("controlplane/main.go", fmt.Sprintf("package main // %d\n", i), 0o644)
		paths = append(paths, c.must("build"))
	}
	if got := c.cached(); len(got) != 3 {
		t.Errorf("got %v", got)
	}
	for _, p := range paths[2:] {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	c := newCheckout(t)
	if _, err := c.run("build", "FAKE_GO_FAILS=yes"); err == nil {
		t.Error("a failed build is no error")
	}
	if got := c.cached(); len(got) != 0 {
		t.Errorf("left %v", got)
	}
	// Nor does what a killed one left matter.
	c.write("cache/.controlplane-building-killed/controlplane", "half", 0o755)
	c.must("build")
	if got := c.cached(); len(got) != 1 {
		t.Errorf("got %v, want one", got)
	}
}

// script runs the real one with a state folder of the test's.
func script(t *testing.T, state string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("../../hack/controlplane.sh", args...)
	cmd.Env = append(os.Environ(), "STARGATE_STATE="+state)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestUpAndDown(t *testing.T) {
	state := t.TempDir()
	must := func(args ...string) string {
		t.Helper()
		out, err := script(t, state, args...)
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		return out
	}
	t.Cleanup(func() { script(t, state, "down") })
	if out, err := script(t, state, "status"); err == nil {
		t.Errorf("status before: %s", out)
	}
	must("up", "--unsafe-no-fsync")
	first := must("status")
	if out := must("up"); !strings.Contains(out, "runs already") {
		t.Errorf("up again: %s", out)
	}
	if again := must("status"); again != first {
		t.Errorf("up again changed %s to %s", first, again)
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(state, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, config).CoreV1().Namespaces().Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	must("down")
	if out, err := script(t, state, "status"); err == nil {
		t.Errorf("status after: %s", out)
	}
	must("down") // nothing to do is no failure
}

// TestDownSparesOthers: a number in a file may be another process by now.
func TestDownSparesOthers(t *testing.T) {
	state := t.TempDir()
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	t.Cleanup(func() { other.Process.Kill() })
	if err := os.WriteFile(filepath.Join(state, "controlplane.pid"), fmt.Appendf(nil, "%d 1\n", other.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := script(t, state, "down"); err != nil || !strings.Contains(out, "does not run") {
		t.Errorf("down: %v: %s", err, out)
	}
	select {
	case err := <-ended:
		t.Errorf("it stopped another process: %v", err)
	default:
	}
}

func TestUpSaysWhyNot(t *testing.T) {
	c := cluster.Shared(t)
	out, err := script(t, t.TempDir(), "up", "--data", filepath.Join(filepath.Dir(c.Kubeconfig), "data"))
	if err == nil || !strings.Contains(out, "in use by pid") {
		t.Errorf("got %v: %s", err, out)
	}
}
