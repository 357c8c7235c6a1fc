package bmc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/bmc"
)

const (
	cdPath     = "/redfish/v1/Managers/1/VirtualMedia/Cd"
	insertPath = cdPath + "/Actions/VirtualMedia.InsertMedia"
	ejectPath  = cdPath + "/Actions/VirtualMedia.EjectMedia"
)

func (s *service) insert(image string, more ...string) answer {
	s.Helper()
	return s.call(http.MethodPost, insertPath, fmt.Sprintf(`{"Image":%q%s}`, image, strings.Join(more, "")))
}

// wantEmpty fails unless nothing is in the drive, nor left of what should have come into it.
func (s *service) wantEmpty(what string) {
	s.Helper()
	if left := files(s.T, filepath.Join(s.media.Folder, "server-001")); s.drive() != nil || len(left) > 0 {
		s.Errorf("%s: %+v is in the drive, %v left", what, s.drive(), left)
	}
}

func TestMediaComeAndGo(t *testing.T) {
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); r.URL.Path == "/locked.iso" && (user != "u" || password != "p") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("image " + r.URL.Path))
	}))
	defer images.Close()
	s := newService(t, bmc.Media{})
	// What a crash left goes with the first that comes.
	folder := filepath.Join(s.media.Folder, "server-001")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "medium-1.iso"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/a.iso", "/b.iso"} {
		s.want("inserting", s.insert(images.URL+name+"?token=canary"), http.StatusNoContent, "")
		content, err := os.ReadFile(s.drive().Path)
		if err != nil || string(content) != "image "+name {
			t.Errorf("in the drive is %q, %v", content, err)
		}
		if left := files(t, folder); len(left) != 1 {
			t.Errorf("besides what is in the drive there is %v", left)
		}
		cd := s.call(http.MethodGet, cdPath, "")
		if cd.at("Inserted") != true || cd.at("ImageName") != name[1:] || cd.at("Image") != images.URL+name || strings.Contains(cd.body, "canary") {
			t.Errorf("the drive says %s", cd.body)
		}
	}
	s.want("a password that is needed", s.insert(images.URL+"/locked.iso"), http.StatusBadRequest, "CouldNotEstablishConnection")
	s.want("a password", s.insert(images.URL+"/locked.iso", `,"UserName":"u","Password":"p","TransferMethod":"Upload","TransferProtocolType":"HTTP"`), http.StatusNoContent, "")
	for range 2 { // sushy sends no body, others an empty object
		s.want("ejecting", s.call(http.MethodPost, ejectPath, ""), http.StatusNoContent, "")
		s.want("ejecting", s.call(http.MethodPost, ejectPath, "{}"), http.StatusNoContent, "")
	}
	s.wantEmpty("after it was ejected")
	if cd := s.call(http.MethodGet, cdPath, ""); cd.at("Inserted") != false || cd.at("Image") != nil || cd.at("ConnectedVia") != "NotConnected" {
		t.Errorf("the empty drive says %s", cd.body)
	}
	s.set(func(b *bench) { b.refuse = simulator.Refuse(simulator.ReasonServerBusy, "job-1 is on it") })
	s.want("during a job", s.insert(images.URL+"/a.iso"), http.StatusConflict, "ResourceInUse")
	s.want("during a job", s.call(http.MethodPost, ejectPath, ""), http.StatusConflict, "ResourceInUse")
	s.wantEmpty("after it was refused")
}

func TestMediaThatAreRefused(t *testing.T) {
	stalled := make(chan struct{})
	var images *httptest.Server
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("other")) }))
	defer other.Close()
	images = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large.iso":
			_, _ = w.Write(make([]byte, 2000))
		case "/stalled.iso":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("begin"))
			w.(http.Flusher).Flush()
			<-stalled
		case "/short.iso":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("begin"))
		case "/elsewhere.iso":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/loop.iso":
			http.Redirect(w, r, "/loop.iso", http.StatusFound)
		case "/file.iso":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/empty.iso":
		default:
			http.NotFound(w, r)
		}
	}))
	defer images.Close()
	defer close(stalled)
	s := newService(t, bmc.Media{MaxBytes: 1000, Timeout: 300 * time.Millisecond})
	for what, body := range map[string]string{
		"larger than is allowed": images.URL + "/large.iso", "stalled": images.URL + "/stalled.iso", "cut short": images.URL + "/short.iso",
		"not there": images.URL + "/none.iso", "redirected for ever": images.URL + "/loop.iso", "redirected to a file": images.URL + "/file.iso",
		"empty": images.URL + "/empty.iso", "nobody there": "http://127.0.0.1:1/a.iso", "a file where none is offered": "file:///etc/passwd",
	} {
		s.want(what, s.insert(body), http.StatusBadRequest, "CouldNotEstablishConnection")
		s.wantEmpty(what)
	}
	s.want("a password for another host", s.insert(images.URL+"/elsewhere.iso", `,"UserName":"u","Password":"p"`), http.StatusBadRequest, "CouldNotEstablishConnection")
	s.want("the same without a password", s.insert(images.URL+"/elsewhere.iso"), http.StatusNoContent, "")
	s.want("and out again", s.call(http.MethodPost, ejectPath, ""), http.StatusNoContent, "")
	for what, c := range map[string]struct{ body, code string }{
		"no image":           {`{}`, "ActionParameterMissing"},
		"an empty image":     {`{"Image":""}`, "ActionParameterMissing"},
		"not inserted":       {`{"Image":"http://a/b.iso","Inserted":false}`, "ActionParameterValueNotInList"},
		"writable":           {`{"Image":"http://a/b.iso","WriteProtected":false}`, "ActionParameterValueNotInList"},
		"another scheme":     {`{"Image":"nfs://a/b.iso"}`, "ActionParameterValueNotInList"},
		"no scheme":          {`{"Image":"/etc/passwd"}`, "ActionParameterValueNotInList"},
		"credentials in it":  {`{"Image":"http://u:p@a/b.iso"}`, "ActionParameterValueNotInList"},
		"no URL":             {`{"Image":"http://a b%zz"}`, "ActionParameterValueNotInList"},
		"a long one":         {`{"Image":"http://a/` + strings.Repeat("b", 5000) + `"}`, "ActionParameterValueNotInList"},
		"a number":           {`{"Image":1}`, "PropertyValueTypeError"},
		"an unknown setting": {`{"Image":"http://a/b.iso","Colour":"red"}`, "ActionParameterUnknown"},
	} {
		s.want(what, s.call(http.MethodPost, insertPath, c.body), http.StatusBadRequest, c.code)
		s.wantEmpty(what)
	}
}

// TestFilesOfTheHost: a file URL gives what is in the files' folder, and nothing else of the host.
func TestFilesOfTheHost(t *testing.T) {
	folder := t.TempDir()
	offered := filepath.Join(folder, "offered")
	if err := os.Mkdir(offered, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{"secret": "canary", "offered/a.iso": "image"} {
		if err := os.WriteFile(filepath.Join(folder, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret", filepath.Join(offered, "link.iso")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(offered, "pipe.iso"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newService(t, bmc.Media{Folders: []string{filepath.Join(folder, "other"), offered}})
	s.want("a file that is offered", s.insert("file://"+offered+"/a.iso"), http.StatusNoContent, "")
	if content, err := os.ReadFile(s.drive().Path); err != nil || string(content) != "image" || s.drive().Path == filepath.Join(offered, "a.iso") {
		t.Errorf("in the drive is %q of %s, %v", content, s.drive().Path, err)
	}
	s.want("out again", s.call(http.MethodPost, ejectPath, ""), http.StatusNoContent, "")
	for what, image := range map[string]string{
		"beside the folder": "file://" + folder + "/secret", "dots": "file://" + offered + "/../secret", "coded dots": "file://" + offered + "/%2e%2e/secret",
		"a link": "file://" + offered + "/link.iso", "a pipe": "file://" + offered + "/pipe.iso", "the folder": "file://" + offered,
		"another host": "file://evil" + offered + "/a.iso", "a device": "file:///dev/zero", "not there": "file://" + offered + "/none.iso",
	} {
		s.want(what, s.insert(image), http.StatusBadRequest, "CouldNotEstablishConnection")
		s.wantEmpty(what)
	}
}
