package seed

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kdomanski/iso9660"
	"go.yaml.in/yaml/v3"

	"stargate.io/stargate/simulator"
)

func sample() Seed {
	return Seed{
		Server:     simulator.Server{Name: "web-1", MAC: "52:54:00:00:00:11", IPv4: "192.168.100.11"},
		InstanceID: "0f1e2d3c-1",
		Network:    Network{PrefixLen: 24, Gateway: netip.MustParseAddr("192.168.100.1"), DNS: []netip.Addr{netip.MustParseAddr("9.9.9.9")}},
		UserData:   []byte("#cloud-config\nhostname: web-1\n"),
	}
}

// readISO gives the files that a machine finds.
func readISO(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	image, err := iso9660.OpenImage(file)
	if err != nil {
		t.Fatal(err)
	}
	if label, err := image.Label(); err != nil || label != Label {
		t.Errorf("label %q, %v; cloud-init looks for %q", label, err, Label)
	}
	root, err := image.RootDir()
	if err != nil {
		t.Fatal(err)
	}
	children, err := root.GetChildren()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, child := range children {
		text, err := io.ReadAll(child.Reader())
		if err != nil {
			t.Fatal(err)
		}
		files[child.Name()] = string(text)
	}
	return files
}

func TestSeedIsReadBackFromItsDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed-1.iso")
	s := sample()
	s.UserData = append([]byte("#cloud-config\n# "), bytes.Repeat([]byte("é"), 300<<10)...)
	if err := Write(path, s); err != nil {
		t.Fatal(err)
	}
	files := readISO(t, path)
	if len(files) != 4 || files["user-data"] != string(s.UserData) || files["vendor-data"] != string(vendorData) {
		t.Errorf("%d files; user data of %d bytes, given %d", len(files), len(files["user-data"]), len(s.UserData))
	}
	if want := "instance-id: \"0f1e2d3c-1\"\nlocal-hostname: \"web-1\"\n"; files["meta-data"] != want {
		t.Errorf("meta-data %q, want %q", files["meta-data"], want)
	}
	var network struct {
		Version   int
		Ethernets map[string]struct {
			Match       struct{ MACAddress string }
			Addresses   []string
			Routes      []struct{ To, Via string }
			Nameservers struct{ Addresses []string }
		}
	}
	if err := yaml.Unmarshal([]byte(files["network-config"]), &network); err != nil {
		t.Fatal(err)
	}
	if eth0 := network.Ethernets["eth0"]; network.Version != 2 || eth0.Match.MACAddress != s.Server.MAC || eth0.Addresses[0] != "192.168.100.11/24" ||
		eth0.Routes[0].Via != "192.168.100.1" || eth0.Nameservers.Addresses[0] != "9.9.9.9" {
		t.Errorf("network-config %q", files["network-config"])
	}
}

func TestSeedIsForItsOwnerOnlyAndNothingIsLeft(t *testing.T) {
	dir, staging := t.TempDir(), filepath.Join(t.TempDir(), "seeds")
	t.Setenv("TMPDIR", staging) // put back when the test ends
	if err := os.MkdirAll(filepath.Join(staging, "of-a-killed-one"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := StageIn(staging); err != nil {
		t.Fatal(err)
	}
	if left := names(t, staging); len(left) != 0 {
		t.Errorf("in the seeds' folder: %v", left)
	}
	path := filepath.Join(dir, "seed-1.iso")
	if err := os.WriteFile(path+".new", []byte("of a killed one"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, sample()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: there may be secrets in it", info.Mode(), err)
	}
	for folder, want := range map[string]int{dir: 1, staging: 0} {
		if left := names(t, folder); len(left) != want {
			t.Errorf("%s: %v", folder, left)
		}
	}
}

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

func TestProfilesDocumentsAreTakenAsTheyAre(t *testing.T) {
	s := sample()
	s.MetaData = []byte("instance-id: always-the-same\nlocal-hostname: other\nrack: {row: 4}\n")
	s.NetworkData = []byte("network:\n  version: 2\n  ethernets: {}\n")
	s.Server.IPv4, s.Server.MAC = "", ""
	documents, err := s.Documents()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(documents["meta-data"]); !strings.Contains(got, `instance-id: "0f1e2d3c-1"`) || strings.Contains(got, "always") ||
		!strings.Contains(got, "local-hostname: other") || !strings.Contains(got, "row: 4") {
		t.Errorf("meta-data %q: the id of a repave is ours, the rest the profile's", got)
	}
	if got := string(documents["network-config"]); got != string(s.NetworkData) {
		t.Errorf("network-config %q", got)
	}
}

func TestSeedsThatCannotBeAreRefused(t *testing.T) {
	const secret = "hunter2"
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += strings.ReplaceAll("Z: &Z [*Y,*Y,*Y,*Y,*Y,*Y,*Y,*Y,*Y]\n", "Z", string(c))
		bomb = strings.ReplaceAll(bomb, "Y", string(c-1))
	}
	cases := map[string]struct {
		change func(*Seed)
		says   string
	}{
		"a name with a slash":        {func(s *Seed) { s.Server.Name = "../web" }, "server name"},
		"an id with a line break":    {func(s *Seed) { s.InstanceID = "a\nb" }, "instance id"},
		"no id":                      {func(s *Seed) { s.InstanceID = "" }, "instance id"},
		"an address that is a name":  {func(s *Seed) { s.Server.IPv4 = "web-1" }, "address"},
		"a MAC with YAML in it":      {func(s *Seed) { s.Server.MAC = "\"}\nversion: 1" }, "MAC"},
		"a network without a prefix": {func(s *Seed) { s.Network.PrefixLen = 0 }, "prefix"},
		"user data of two megabytes": {func(s *Seed) { s.UserData = bytes.Repeat([]byte("#cloud-config\n"), 150_000) }, "at most 1048576"},
		"user data without a header": {func(s *Seed) { s.UserData = []byte("password: " + secret) }, "userData: its first line"},
		"user data that is a list":   {func(s *Seed) { s.UserData = []byte("#cloud-config\n- " + secret) }, "userData: its top"},
		"broken YAML":                {func(s *Seed) { s.UserData = []byte("#cloud-config\na: 1\n" + secret + ": [") }, "userData: it is not valid YAML, near line"},
		"an alias to nothing":        {func(s *Seed) { s.UserData = []byte("#cloud-config\na: *" + secret) }, "userData: it is not valid YAML"},
		"two documents":              {func(s *Seed) { s.UserData = []byte("#cloud-config\na: 1\n---\nb: " + secret) }, "more than one"},
		"user data with zero bytes":  {func(s *Seed) { s.UserData = []byte("#cloud-config\n" + secret + ": \x00") }, "not UTF-8"},
		"metadata that is text":      {func(s *Seed) { s.MetaData = []byte(secret) }, "metaData: its top"},
		"network data of no version": {func(s *Seed) { s.NetworkData = []byte(secret + ": {}") }, "networkData: it has no"},
		"network data too long":      {func(s *Seed) { s.NetworkData = make([]byte, MaxDocument+1) }, "networkData: it is"},
	}
	for name, c := range cases {
		s := sample()
		c.change(&s)
		err := s.Check()
		var refused *simulator.Refused
		if !errors.As(err, &refused) || refused.Reason != simulator.ReasonBadRequest || !strings.Contains(refused.Message, c.says) {
			t.Errorf("%s: %v, want a refusal that says %q", name, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats the document: %v", name, err)
		}
		path := filepath.Join(t.TempDir(), "seed.iso")
		if err := Write(path, s); err == nil {
			t.Errorf("%s: written all the same", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: there is a file", name)
		}
	}
	s := sample()
	s.UserData = []byte("#cloud-config\n" + bomb)
	if err := s.Check(); err != nil {
		t.Errorf("aliases are for the machine to bear: %v", err)
	}
}

func TestKindsOfUserData(t *testing.T) {
	for _, text := range []string{
		"", "#!/bin/sh\necho hi\n", "#cloud-config\n", "\n  #Cloud-Config\na: 1\n", "## template: jinja\n#cloud-config\na: {{ v1.x }}\n",
		"#include\nhttp://example.com/x\n", "#cloud-config-archive\n- type: text/x-shellscript\n", "#cloud-boothook\n#!/bin/sh\n",
		"Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n\n--x--\n", "MIME-Version: 1.0\n", "#part-handler\n", "\x1f\x8b\x08\x00",
		"#cloud-config # of the web servers\na: 1\n",
	} {
		s := sample()
		s.UserData = []byte(text)
		if err := s.Check(); err != nil {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}
