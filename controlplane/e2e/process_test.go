package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantExit runs the binary to its end and checks exit code and the one line it says.
func wantExit(t *testing.T, code int, words []string, flags ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, bin, flags...)
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("exit: got %v, want code %d", err, code)
	}
	said := strings.TrimSpace(stderr.String())
	if strings.Contains(said, "\n") {
		t.Errorf("want one line on stderr, got:\n%s", said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("stderr %q does not say %q", said, w)
		}
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	p := begin(t)
	kubeconfig, ca, url := mustRead(t, p.kubeconfig()), mustRead(t, filepath.Join(p.data(), "pki/ca.crt")), p.url
	old := p.client(t) // from before the restart, and used after it
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := old.CoreV1().ConfigMaps("default").Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		err := p.stop(sig)
		if sig == syscall.SIGTERM && err != nil {
			t.Fatalf("stopping with %s: %v: %s", sig, err, p.stderr.String())
		}
		p.restart(t)
		if p.url != url {
			t.Errorf("after %s: got %s, before %s", sig, p.url, url)
		}
		if got := mustRead(t, filepath.Join(p.data(), "pki/ca.crt")); got != ca {
			t.Errorf("after %s: another certificate authority", sig)
		}
		if got := mustRead(t, p.kubeconfig()); got != kubeconfig {
			t.Errorf("after %s: another kubeconfig", sig)
		}
		if _, err := old.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
			t.Errorf("after %s: %v", sig, err)
		}
	}
}

func TestAnotherPortWhenTheLastIsTaken(t *testing.T) {
	p := begin(t)
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	squatter, err := net.Listen("tcp", strings.TrimPrefix(p.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	before := p.url
	p.restart(t)
	if p.url == before {
		t.Fatalf("got the taken %s", p.url)
	}
	if host := p.config(t).Host; host != p.url {
		t.Errorf("kubeconfig says %s, the server is at %s", host, p.url)
	}
}

func TestSignalsEndItCleanly(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			ready := filepath.Join(t.TempDir(), "ready")
			p := begin(t, "--ready-file", ready)
			if got := strings.TrimSpace(mustRead(t, ready)); got != p.url {
				t.Errorf("ready file: got %s, want %s", got, p.url)
			}
			// A watch that nobody ends must not hold it up.
			w, err := p.client(t).CoreV1().Pods("").Watch(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			began := time.Now()
			if err := p.stop(sig); err != nil {
				t.Fatalf("%v: %s", err, p.stderr.String())
			}
			t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
			if _, err := os.Stat(ready); !os.IsNotExist(err) {
				t.Errorf("ready file: got %v, want it gone", err)
			}
			if s := p.stderr.String(); s != "" {
				t.Errorf("stderr: %s", s)
			}
		})
	}
}

func TestStopBeforeReady(t *testing.T) {
	cmd := exec.Command(bin, "--data", t.TempDir(), "--unsafe-no-fsync")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	// It may not have set up its handler yet: then the signal itself ends it.
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTakenFolder(t *testing.T) {
	wantExit(t, 1, []string{shared.data(), "in use by pid " + strconv.Itoa(shared.cmd.Process.Pid), "--data"},
		"--data", shared.data())
}

func TestTakenPort(t *testing.T) {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(shared.url, "https://"))
	wantExit(t, 1, []string{"127.0.0.1:" + port, "another process", "--port"},
		"--data", t.TempDir(), "--port", port)
}

func TestWrongUsage(t *testing.T) {
	for _, c := range []struct {
		says  string
		flags []string
	}{
		{"--data is needed", nil},
		{"unexpected argument", []string{"--data", "x", "up"}},
		{"needs --advertise", []string{"--data", "x", "--bind", "0.0.0.0"}},
		{"not an IP address", []string{"--data", "x", "--bind", "localhost"}},
		{"not a port", []string{"--data", "x", "--port", "70000"}},
	} {
		wantExit(t, 64, []string{c.says}, c.flags...)
	}
}

func TestDamagedAuthorityIsNotReplaced(t *testing.T) {
	p := begin(t)
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(p.data(), "pki/ca.crt")
	if err := os.WriteFile(ca, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantExit(t, 1, []string{"certificate authority", ca}, "--data", p.data())
}

func TestFilesAreItsOwnersAlone(t *testing.T) {
	err := filepath.WalkDir(shared.data(), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // etcd removes files under our feet
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if strings.HasSuffix(path, ".key") && info.Mode().Perm() != 0o600 {
			return fmt.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for path, want := range map[string]os.FileMode{shared.kubeconfig(): 0o600, shared.data(): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v %v, want mode %v", path, info.Mode(), err, want)
		}
	}
}

// TestListensOnLoopbackOnly asks the kernel: one TCP port, on 127.0.0.1, and no other.
func TestListensOnLoopbackOnly(t *testing.T) {
	inodes := map[string]bool{}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", shared.cmd.Process.Pid))
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:[") {
			inodes[strings.Trim(to, "socket:[]")] = true
		}
	}
	var got []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		for _, line := range strings.Split(mustRead(t, "/proc/net/"+table), "\n")[1:] {
			f := strings.Fields(line)
			// State 0A is LISTEN; of UDP, 07 is bound without a peer.
			if len(f) > 9 && inodes[f[9]] && (f[3] == "0A" || f[3] == "07") {
				got = append(got, table+" "+f[1])
			}
		}
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(shared.url, "https://"))
	n, _ := strconv.Atoi(port)
	if want := fmt.Sprintf("[tcp 0100007F:%04X]", n); fmt.Sprint(got) != want {
		t.Errorf("listening: got %v, want %v", got, want)
	}
}
