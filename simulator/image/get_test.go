package image

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/test/guestimage"
)

func TestImageIsGotConvertedAndKept(t *testing.T) {
	content := disk(t, "-o", "cluster_size=4k")
	site := newSite(t, content)
	s := newStore(t, Config{})
	var steps []Step
	base, err := s.Get(t.Context(), site.image(), func(p Progress) {
		if len(steps) == 0 || steps[len(steps)-1] != p.Step {
			steps = append(steps, p.Step)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if base.Digest != "sha256:"+sha(content) || base.Size != 1<<20 || base.Verified.By != "" {
		t.Errorf("got %+v", base)
	}
	if !slices.Equal(steps, []Step{Downloading, Verifying, Converting}) {
		t.Errorf("progress was told of as %v", steps)
	}
	if info, err := os.Stat(base.Path); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("%v, %v: a base is read-only", info.Mode(), err)
	}
	raw := filepath.Join(t.TempDir(), "raw")
	qemuImg(t, "convert", "-f", "qcow2", "-O", "raw", base.Path, raw)
	if !bytes.Equal(read(t, raw), bootable(1<<20)) {
		t.Error("what is in it has changed")
	}
	if got := names(t, s.dir); len(got) != 3 {
		t.Errorf("in the store: %v; want the base, its record, and what the source was", got)
	}
}

func TestImageThatIsTheSameStillIsNotGotAgain(t *testing.T) {
	site := newSite(t, disk(t))
	s := newStore(t, Config{})
	first, err := s.Get(t.Context(), site.image(), nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := newStore(t, Config{Dir: s.dir}).Get(t.Context(), site.image(), func(p Progress) { t.Errorf("there was %+v", p) })
	if err != nil || again != first {
		t.Errorf("%+v, %v; want %+v", again, err, first)
	}
	site.change(func() { site.content, site.etag = disk(t, "-o", "cluster_size=4k"), `"2"` })
	newer, err := s.Get(t.Context(), site.image(), nil)
	if err != nil || newer.Digest == first.Digest {
		t.Errorf("%+v, %v: the server has another", newer, err)
	}
	site.Close()
	offline, err := s.Get(t.Context(), site.image(), nil)
	if err != nil || offline.Digest != newer.Digest || !strings.Contains(offline.Note, "could not be asked for") {
		t.Errorf("%+v, %v; want what was got last, with a note", offline, err)
	}
}

func TestImageOfAKnownChecksumAsksNobody(t *testing.T) {
	content := disk(t)
	site := newSite(t, content)
	s := newStore(t, Config{})
	source := site.image()
	source.Checksum = "sha256:" + strings.ToUpper(sha(content))
	first, err := s.Get(t.Context(), source, nil)
	if err != nil || first.Verified.By != "profile" {
		t.Fatalf("%+v, %v", first, err)
	}
	site.Close()
	source.URL = "http://elsewhere.invalid/same.img"
	if again, err := s.Get(t.Context(), source, nil); err != nil || again != first {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestDownloadGoesOnWhereItBrokeOff(t *testing.T) {
	content := disk(t)
	site := newSite(t, content)
	broken := 0
	site.misbehave = func(w http.ResponseWriter, r *http.Request) bool {
		site.mu.Lock()
		broken++
		first := broken == 1
		site.mu.Unlock()
		return first && breakOff(t, content, `"1"`, 700_000)(w, r)
	}
	s := newStore(t, Config{})
	base, err := s.Get(t.Context(), site.image(), nil)
	if err != nil || base.Digest != "sha256:"+sha(content) {
		t.Fatalf("%+v, %v", base, err)
	}
	asked := site.asked()
	if len(asked) != 2 || !strings.HasPrefix(asked[1], "GET /os.img bytes=") || asked[1] == "GET /os.img bytes=0-" {
		t.Errorf("asked for %q; want the rest the second time", asked)
	}
}

func TestFileThatChangedIsNotPutTogetherFromTwo(t *testing.T) {
	old, content := disk(t), disk(t, "-o", "cluster_size=4k")
	site := newSite(t, content)
	site.etag = `"2"`
	broken := 0
	site.misbehave = func(w http.ResponseWriter, r *http.Request) bool {
		site.mu.Lock()
		broken++
		first := broken == 1
		site.mu.Unlock()
		return first && breakOff(t, old, `"1"`, 700_000)(w, r)
	}
	base, err := newStore(t, Config{}).Get(t.Context(), site.image(), nil)
	if err != nil || base.Digest != "sha256:"+sha(content) {
		t.Errorf("%+v, %v; want the new one whole", base, err)
	}
}

func TestServerThatLiesAboutARangeIsFoundOut(t *testing.T) {
	old, content := disk(t), disk(t, "-o", "cluster_size=4k")
	site := newSite(t, content)
	broken := 0
	site.misbehave = func(w http.ResponseWriter, r *http.Request) bool {
		site.mu.Lock()
		broken++
		first := broken == 1
		site.mu.Unlock()
		return first && breakOff(t, old, `"1"`, 300_000)(w, r) // of the same name, and goes on as another
	}
	source := site.image()
	source.Checksum = "sha256:" + sha(content)
	base, err := newStore(t, Config{}).Get(t.Context(), source, nil)
	if err != nil || base.Digest != "sha256:"+sha(content) {
		t.Errorf("%+v, %v; want it got again in one", base, err)
	}
}

func TestKilledGetIsGoneOnWith(t *testing.T) {
	content := disk(t)
	site := newSite(t, content)
	stop := make(chan struct{})
	site.misbehave = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" {
			return false
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:600_000])
		w.(http.Flusher).Flush()
		<-stop
		return true
	}
	defer close(stop)
	s := newStore(t, Config{Bounds: Bounds{Reserve: 1}})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	_, err := s.Get(ctx, site.image(), func(Progress) {
		cancel(simulator.ErrCancelled)
	})
	if !errors.Is(err, simulator.ErrCancelled) {
		t.Fatalf("%v; want the context's cause", err)
	}
	// The next one waits for the first to have gone, and goes on from its bytes.
	base, err := s.Get(t.Context(), site.image(), nil)
	if err != nil || base.Digest != "sha256:"+sha(content) {
		t.Fatalf("%+v, %v", base, err)
	}
	if asked := site.asked(); len(asked) != 2 || !strings.HasPrefix(asked[1], "GET /os.img bytes=") {
		t.Errorf("asked for %q", asked)
	}
}

func TestGetsOfOneSourceShareItsDownload(t *testing.T) {
	site := newSite(t, disk(t))
	gate := make(chan struct{})
	site.misbehave = func(http.ResponseWriter, *http.Request) bool { <-gate; return false }
	s := newStore(t, Config{Bounds: Bounds{Reserve: 1}})
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	bases, errs := make([]Base, 8), make([]error, 8)
	for i := range bases {
		all.Go(func() {
			mine := t.Context()
			if i == 0 {
				mine = ctx
			}
			bases[i], errs[i] = s.Get(mine, site.image(), func(Progress) {})
		})
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		s.mu.Lock()
		waiting := 0
		for _, f := range s.flights {
			f.mu.Lock()
			waiting += len(f.waiters)
			f.mu.Unlock()
		}
		s.mu.Unlock()
		if waiting == len(bases) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d wait", waiting)
		}
	}
	leave() // one that goes does not end it for the others
	close(gate)
	all.Wait()
	for i := range bases {
		if i == 0 && !errors.Is(errs[0], context.Canceled) && errs[0] != nil || i > 0 && (errs[i] != nil || bases[i] != bases[1]) {
			t.Errorf("%d: %+v, %v", i, bases[i], errs[i])
		}
	}
	if asked := site.asked(); len(asked) != 1 {
		t.Errorf("asked %d times", len(asked))
	}
}

func TestOverlayLiesOverItsBase(t *testing.T) {
	content := disk(t)
	s := newStore(t, Config{})
	base, err := s.Get(t.Context(), newSite(t, content).image(), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk-1.qcow2")
	if err := os.WriteFile(path+".new", []byte("of a killed one"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := s.Overlay(t.Context(), base.Digest, path, 5<<20); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "info", "-f", "qcow2", "--output=json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"virtual-size": 5242880`, `"backing-filename-format": "qcow2"`, `"backing-filename": "` + base.Path} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
	var e *Error
	if err := s.Overlay(t.Context(), base.Digest, path, 1<<19); !errors.As(err, &e) || e.Kind != TooLarge {
		t.Errorf("over half a MiB: %v", err)
	}
	if err := s.Overlay(t.Context(), "sha256:../../etc/passwd", path, 5<<20); !errors.As(err, &e) || e.Kind != NotFound {
		t.Errorf("over no base: %v", err)
	}
}

func TestWhatIsNotUsedIsCollected(t *testing.T) {
	s := newStore(t, Config{})
	used, err := s.Get(t.Context(), newSite(t, disk(t)).image(), nil)
	if err != nil {
		t.Fatal(err)
	}
	unused, err := s.Get(t.Context(), newSite(t, disk(t, "-o", "cluster_size=4k")).image(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Collect([]string{used.Digest}, time.Hour); err != nil || len(removed) != 0 {
		t.Errorf("removed %v, %v; both were asked for just now", removed, err)
	}
	s.converter <- struct{}{} // as while an image is converted
	if removed, err := s.Collect(nil, 0); err != nil || len(removed) != 0 {
		t.Errorf("removed %v, %v; something else may become a base just now", removed, err)
	}
	<-s.converter
	if removed, err := s.Collect([]string{used.Digest}, 0); err != nil || !slices.Equal(removed, []string{unused.Digest}) {
		t.Errorf("removed %v, %v; want %v", removed, err, unused.Digest)
	}
	left := names(t, s.dir)
	if len(left) != 2 || !strings.HasPrefix(left[0], strings.TrimPrefix(used.Digest, "sha256:")) {
		t.Errorf("left: %v; want the used base and its record", left)
	}
}

func TestWhatAKilledOneLeftIsUndone(t *testing.T) {
	s := newStore(t, Config{})
	base, err := s.Get(t.Context(), newSite(t, disk(t)).image(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("ab", 32)
	for _, name := range []string{other + ".qcow2.new", other + ".qcow2", other + ".json.new", "0123.partial"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := names(t, s.dir)
	newStore(t, Config{Dir: s.dir})
	if left := names(t, s.dir); len(left) != len(before)-3 || !slices.Contains(left, "0123.partial") || !slices.Contains(left, filepath.Base(base.Path)) {
		t.Errorf("left: %v", left)
	}
}

func TestDiskThatMachinesBootIsTaken(t *testing.T) {
	path := guestimage.Disk(t, "12.1")
	s := newStore(t, Config{Folders: []string{filepath.Dir(path)}, Bounds: Bounds{Reserve: 1}})
	began := time.Now()
	base, err := s.Get(t.Context(), Source{URL: "file://" + path, Format: QCOW2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB became a disk of %d MiB in %s", len(read(t, path))>>20, base.Size>>20, time.Since(began))
	began = time.Now()
	if err := s.Overlay(t.Context(), base.Digest, filepath.Join(t.TempDir(), "disk-1.qcow2"), 20<<30); err != nil {
		t.Error(err)
	}
	t.Logf("an overlay took %s", time.Since(began))
}
