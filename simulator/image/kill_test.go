package image

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/test/users"
)

// inChild names the folder and URL of a store whose Get the test's own binary carries out, to be killed in it.
const inChild = "STARGATE_IMAGE_CHILD"

func TestMain(m *testing.M) {
	if dir, url, ok := strings.Cut(os.Getenv(inChild), " "); ok {
		child(dir, url)
		return
	}
	os.Exit(m.Run())
}

// child says each step as it comes to it.
func child(dir, url string) {
	bounds := quick
	bounds.Converted = 512 << 20
	s, err := Open(Config{Dir: dir, Bounds: bounds, RunAs: users.Range()})
	if err != nil {
		panic(err)
	}
	base, err := s.Get(context.Background(), Source{URL: url}, func(p Progress) { fmt.Println(p.Step) })
	fmt.Println("got", base.Digest, err)
}

// killAt runs a Get in a child and kills it when it says that it is at a step.
func killAt(t *testing.T, dir, url string, at Step) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inChild+"="+dir+" "+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said = append(said, lines.Text()); lines.Text() == string(at) {
			_ = cmd.Process.Kill()
			break
		}
	}
	if err := cmd.Wait(); err == nil || len(said) == 0 || said[len(said)-1] != string(at) {
		t.Fatalf("the child was to be killed while %s: %v, and it said %q", at, err, said)
	}
	for deadline := time.Now().Add(10 * time.Second); len(tools(t, dir)) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%v outlived who started it", tools(t, dir))
		}
	}
}

// tools are the processes, other than this one, that have a file of a folder open.
func tools(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("/proc/%d/", os.Getpid())
	var found []string
	for _, path := range paths {
		if file, err := os.Readlink(path); err == nil && strings.HasPrefix(file, dir+"/") && !strings.HasPrefix(path, own) {
			found = append(found, path)
		}
	}
	return found
}

func TestKilledAtEachStepAndDoneByTheNext(t *testing.T) {
	needTool(t)
	raw, path := filepath.Join(t.TempDir(), "raw"), filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(raw, bootable(48<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, "convert", "-f", "raw", "-O", "qcow2", raw, path)
	content := read(t, path)
	for _, at := range []Step{Downloading, Verifying, Converting} {
		t.Run(string(at), func(t *testing.T) {
			site := newSite(t, content)
			dir := filepath.Join(t.TempDir(), "images")
			killAt(t, dir, site.URL+"/os.img", at)
			if left := names(t, dir); !slices.ContainsFunc(left, func(name string) bool { return strings.HasSuffix(name, ".partial") }) {
				t.Errorf("left: %v; want what was downloaded", left)
			}
			var resumed bool
			site.misbehave = func(_ http.ResponseWriter, r *http.Request) bool {
				resumed = resumed || r.Header.Get("Range") != ""
				return false
			}
			bounds := quick
			bounds.Converted = 512 << 20
			base, err := newStore(t, Config{Dir: dir, Bounds: bounds}).Get(t.Context(), site.image(), nil)
			if err != nil || base.Digest != "sha256:"+sha(content) {
				t.Fatalf("%+v, %v", base, err)
			}
			if asked := len(site.asked()); at == Downloading && !resumed || at != Downloading && asked != 1 {
				t.Errorf("asked %d times, for the rest: %v; what was downloaded is not downloaded again", asked, resumed)
			}
			if left := names(t, dir); len(left) != 3 {
				t.Errorf("left: %v; want the base, its record, and what the source was", left)
			}
		})
	}
}
