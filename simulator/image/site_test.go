package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"stargate.io/stargate/test/users"
)

// site is a web server with one file, which can be told to misbehave.
type site struct {
	*httptest.Server
	mu       sync.Mutex
	content  []byte
	etag     string
	requests []string // "METHOD PATH RANGE STATUS"
	// misbehave answers a request in its own way, and tells whether it did.
	misbehave func(w http.ResponseWriter, r *http.Request) bool
	others    map[string][]byte
}

func newSite(t *testing.T, content []byte) *site {
	t.Helper()
	s := &site{content: content, etag: `"1"`, others: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	content, etag, misbehave, other := s.content, s.etag, s.misbehave, s.others[r.URL.Path]
	s.requests = append(s.requests, r.Method+" "+r.URL.Path+" "+r.Header.Get("Range"))
	s.mu.Unlock()
	if misbehave != nil && misbehave(w, r) {
		return
	}
	if other != nil {
		_, _ = w.Write(other)
		return
	}
	if r.URL.Path != "/os.img" {
		http.NotFound(w, r)
		return
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	http.ServeContent(w, r, "os.img", time.Time{}, bytes.NewReader(content))
}

// change what it is and does.
func (s *site) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *site) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func (s *site) image() Source { return Source{URL: s.URL + "/os.img"} }

// breakOff sends the first n bytes of what was asked for and then closes the connection.
func breakOff(t *testing.T, content []byte, etag string, n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/os.img" {
			return false
		}
		w.Header().Set("ETag", etag)
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:n])
		w.(http.Flusher).Flush()
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		_ = connection.Close()
		return true
	}
}

func needTool(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip("qemu-img is missing: apt-get install qemu-utils")
	}
}

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	needTool(t)
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %v: %v: %s", args, err, out)
	}
}

// disk makes a qcow2 of a MiB with some data in it.
func disk(t *testing.T, options ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	raw, path := filepath.Join(dir, "raw"), filepath.Join(dir, "disk.qcow2")
	if err := os.WriteFile(raw, bootable(1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, options...), raw, path)...)
	return read(t, path)
}

// bootable is a raw disk with a boot signature and bytes that do not compress.
func bootable(size int) []byte {
	content := make([]byte, size)
	for block := sha256.Sum256([]byte("seed")); size > 0; size -= copy(content[len(content)-size:], block[:]) {
		block = sha256.Sum256(block[:])
	}
	content[510], content[511] = 0x55, 0xaa
	return content
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func sha(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// quick bounds, for tests.
var quick = Bounds{
	Download: 64 << 20, Disk: 1 << 30, Converted: 32 << 20, Reserve: 1, Stall: 500 * time.Millisecond, Whole: time.Minute, Convert: 30 * time.Second,
	Tries: 3, Pause: time.Millisecond,
}

func newStore(t *testing.T, config Config) *Store {
	t.Helper()
	needTool(t)
	if config.Dir == "" {
		config.Dir = filepath.Join(t.TempDir(), "images")
	}
	if config.Bounds == (Bounds{}) {
		config.Bounds = quick
	}
	config.RunAs = users.Range()
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// names of what is in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
