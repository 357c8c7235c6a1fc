package site_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/image"
	"stargate.io/stargate/simulator/machine"
	"stargate.io/stargate/simulator/seed"
	"stargate.io/stargate/test/noguest"
	"stargate.io/stargate/test/users"
)

// newWhole gives a simulator with its own images and seeds, as users have it, in a folder beside which nothing is to happen.
func newWhole(t *testing.T) *datacenter {
	t.Helper()
	noguest.Need(t)
	dir := filepath.Join(noguest.Folder(t), "s")
	store, err := image.Open(image.Config{Dir: filepath.Join(dir, "images"), RunAs: users.Range()})
	if err != nil {
		t.Fatal(err)
	}
	config := noguest.Config(dir, &noguest.Disks{})
	config.Images, config.Seeds = images{store}, seeds{}
	d := newDatacenterOf(t, openMachines(t, config))
	d.folder = dir
	return d
}

type images struct{ store *image.Store }

func (i images) Get(ctx context.Context, of simulator.Image, _ int64, _ func(float64, string)) (string, error) {
	base, err := i.store.Get(ctx, image.SourceOf(of), nil)
	return base.Digest, err
}

func (i images) Overlay(ctx context.Context, digest, path string, bytes int64) error {
	return i.store.Overlay(ctx, digest, path, bytes)
}

func (i images) Base(digest string) string { return i.store.Path(digest) }

func (i images) Collect(inUse []string) error {
	_, err := i.store.Collect(inUse, 0)
	return err
}

type seeds struct{}

func (seeds) of(server simulator.Server, of simulator.Image) seed.Seed {
	return seed.Seed{Server: server, InstanceID: "i-1", UserData: of.UserData, NetworkData: of.NetworkData, MetaData: of.MetaData, Network: seed.Network{PrefixLen: 24}}
}

func (s seeds) Check(server simulator.Server, of simulator.Image) error {
	if err := image.SourceOf(of).Check(); err != nil {
		return simulator.Refuse(simulator.ReasonBadRequest, "%s", err)
	}
	return s.of(server, of).Check()
}

func (s seeds) Write(path, _ string, server simulator.Server, of simulator.Image) error {
	return seed.Write(path, s.of(server, of))
}

// TestHostileDocuments: a profile that cannot be is refused before there is a job, with which document and what is wrong
// with it, and never with what it says.
func TestHostileDocuments(t *testing.T) {
	d := newWhole(t)
	before := census(t, filepath.Dir(d.folder), d.folder)
	for what, spoil := range map[string]func(*wire.Image){
		"userData": func(i *wire.Image) {
			i.UserData = append([]byte("#cloud-config\n"), bytes.Repeat([]byte("# canary\n"), 1<<20/4)...)
		},
		"userData, no YAML":       func(i *wire.Image) { i.UserData = []byte("#cloud-config\ncanary: [\n") },
		"userData, a list":        func(i *wire.Image) { i.UserData = []byte("#cloud-config\n- canary\n") },
		"userData, no header":     func(i *wire.Image) { i.UserData = []byte("canary: yes\n") },
		"userData, no text":       func(i *wire.Image) { i.UserData = []byte("#cloud-config\ncanary\x00\xff") },
		"networkData, no YAML":    func(i *wire.Image) { i.NetworkData = []byte("canary: {") },
		"networkData, another":    func(i *wire.Image) { i.NetworkData = []byte("canary: yes\n") },
		"metaData, no mapping":    func(i *wire.Image) { i.MetaData = []byte("canary") },
		"checksum":                func(i *wire.Image) { i.Checksum = "md5:canary" },
		"checksum, too short":     func(i *wire.Image) { i.Checksum = "sha256:ab" },
		"format":                  func(i *wire.Image) { i.Format = "vmdk" },
		"format, with a comma":    func(i *wire.Image) { i.Format = "raw,file.filename=/etc/passwd" },
		"image of another scheme": func(i *wire.Image) { i.URL = "ftp://images.example/a.qcow2" },
		"image of QEMU's":         func(i *wire.Image) { i.URL = "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}" },
		"image without a scheme":  func(i *wire.Image) { i.URL = "/etc/passwd" },
	} {
		operation := repave(0)
		spoil(operation.Image)
		status, body := d.start("documents-"+strings.ReplaceAll(what, " ", "-"), operation)
		d.want(what, status, body, http.StatusBadRequest, wire.CodeBadRequest)
		name, _, _ := strings.Cut(strings.ToLower(what), " ")
		if name = strings.Trim(name, ","); !strings.Contains(strings.ToLower(body), name) {
			t.Errorf("%s: the answer does not name it: %s", what, body)
		}
		if strings.HasSuffix(name, "data") && strings.Contains(body, "canary") || len(body) > 800 {
			t.Errorf("%s: the answer repeats it: %.900s", what, body)
		}
	}
	if made := d.record(); len(made) > 0 || len(d.machines.List()) > 0 {
		t.Errorf("there are jobs or machines: %+v, %+v", made, d.machines.List())
	}
	if now := census(t, filepath.Dir(d.folder), d.folder); now != before {
		t.Errorf("outside the state folder there is %q, was %q", now, before)
	}
}

// TestHostileImages: an image that cannot be, or that is not what it should be, fails its job, says why, and leaves the
// machine as it was; here, that there is none.
func TestHostileImages(t *testing.T) {
	d := newWhole(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "plain.raw"), bytes.Repeat([]byte("canary!\n"), 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, arguments := range map[string][]string{
		"backed.qcow2": {"-b", "/etc/passwd", "-F", "raw"},
		"data.qcow2":   {"-o", "data_file=" + filepath.Join(folder, "outside.raw") + ",data_file_raw=on"},
	} {
		arguments = append(append([]string{"create", "-q", "-f", "qcow2"}, arguments...), filepath.Join(folder, name), "1M")
		if out, err := exec.CommandContext(t.Context(), "qemu-img", arguments...).CombinedOutput(); err != nil {
			t.Fatalf("making %s: %v: %s", name, err, out)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	defer server.Close()
	before := census(t, filepath.Dir(d.folder), d.folder)
	for what, c := range map[string]struct {
		image wire.Image
		says  string
	}{
		"backing":  {wire.Image{URL: server.URL + "/backed.qcow2", Format: "qcow2"}, "backing"},
		"data":     {wire.Image{URL: server.URL + "/data.qcow2", Format: "qcow2"}, "data"},
		"checksum": {wire.Image{URL: server.URL + "/plain.raw", Format: "raw", Checksum: "sha256:" + strings.Repeat("0", 64)}, "the profile says"},
		"none":     {wire.Image{URL: server.URL + "/none.qcow2"}, "404"},
		"file":     {wire.Image{URL: "file:///etc/passwd", Format: "raw"}, "file"},
		"disguise": {wire.Image{URL: server.URL + "/plain.raw", Format: "qcow2"}, "qcow2"},
	} {
		operation := repave(0)
		c.image.OSVersion = "24.04"
		operation.Image = &c.image
		status, body := d.start("image-"+what, operation)
		if status == http.StatusBadRequest && strings.Contains(body, c.says) {
			continue // told before
		}
		if status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", what, status, body)
			continue
		}
		d.eventually("the job of "+what+" has ended", func() bool { return len(d.live()) == 0 })
		made := d.record()
		job := d.job(made[len(made)-1].JobID)
		if job.Phase != wire.PhaseFailed || !job.Untouched || !strings.Contains(strings.ToLower(job.Message), c.says) || strings.Contains(job.Message, "canary") {
			t.Errorf("%s: got %+v", what, job)
		}
	}
	if there := d.machines.List(); len(there) > 0 {
		t.Errorf("there are machines: %+v", there)
	}
	if now := census(t, filepath.Dir(d.folder), d.folder); now != before {
		t.Errorf("outside the state folder there is %q, was %q", now, before)
	}
}

// openMachines opens a set of machines that goes with its test.
func openMachines(t *testing.T, config machine.Config) *machine.Machines {
	t.Helper()
	opened, err := machine.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, status := range opened.List() {
			if err := opened.Delete(context.Background(), status.Server.Name); err != nil {
				t.Error(err)
			}
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}
