package qemu

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "accept the arguments as they are now")

// some is a Spec with everything in it.
func some() Spec {
	dir := "/var/lib/stargate/machines/web-1"
	return Spec{
		Name: "web-1", UUID: "0f0e0d0c-0b0a-4908-8706-050403020100", Accelerator: TCG, CPUs: 2, MemoryMiB: 4096,
		Disk: Disk{Path: dir + "/disk-1.qcow2", Format: "qcow2", Base: "/var/lib/stargate/images/aa.qcow2"}, Seed: dir + "/seed-1.iso",
		MAC: "52:54:00:00:00:01", Tap: "sg-0123456789",
		Files: Files{
			QMP: "/var/lib/stargate/run/a.qmp", Console: "/var/lib/stargate/run/a.tty", Guest: "/var/lib/stargate/run/a.rpt",
			ConsoleLog: dir + "/console.log", Log: dir + "/qemu.log",
		},
	}
}

func TestArgumentsAreGolden(t *testing.T) {
	kvm := some()
	kvm.Accelerator, kvm.Media, kvm.BootFirst, kvm.Firmware = KVM, "/var/lib/stargate/media/a.iso", DeviceMedia, "/usr/share/ovmf/OVMF.fd"
	bare := some()
	bare.Seed, bare.Tap, bare.MAC, bare.TranslationMiB, bare.Disk.Base = "", "", "", 64, ""
	comma := some()
	comma.Files.Console, comma.Files.ConsoleLog = "/tmp/a,id=b/tty", "/tmp/a,id=b/console.log"
	comma.Disk.Path = `/tmp/a,id=b/"quoted".qcow2`
	for name, spec := range map[string]Spec{"tcg": some(), "kvm": kvm, "bare": bare, "comma": comma} {
		t.Run(name, func(t *testing.T) {
			argv, err := Argv(spec)
			if err != nil {
				t.Fatal(err)
			}
			got, path := strings.Join(argv, "\n")+"\n", filepath.Join("testdata", name+".argv")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("arguments differ from %s; accept them with -update:\n%s", path, got)
			}
		})
	}
}

// TestNothingIsSmuggled: a value from outside is refused, or an argument's part and nothing else.
func TestNothingIsSmuggled(t *testing.T) {
	hostile := []string{
		"", "-", "--help", "a,b", "a,,b", "../x", "a/b", "a b", "a\nb", "a\x00b", `a"b`, "a'b", "$(id)", "%s", "a=b", "é",
		"x,script=/bin/sh", strings.Repeat("a", 300),
	}
	set := map[string]func(*Spec, string){
		"name": func(s *Spec, v string) { s.Name = v }, "uuid": func(s *Spec, v string) { s.UUID = v },
		"mac": func(s *Spec, v string) { s.MAC = v }, "format": func(s *Spec, v string) { s.Disk.Format = v },
		"disk": func(s *Spec, v string) { s.Disk.Path = v }, "accelerator": func(s *Spec, v string) { s.Accelerator = v },
	}
	for field, put := range set {
		for _, value := range hostile {
			spec := some()
			put(&spec, value)
			if argv, err := Argv(spec); err == nil && !(field == "name" && validName.MatchString(value)) {
				t.Errorf("%s %q is taken: %q", field, value, argv)
			}
		}
	}
	for _, value := range hostile[1:] {
		spec := some()
		spec.Tap = value
		if argv, err := Argv(spec); err == nil && strings.ContainsAny(value, ",=/ \n") {
			t.Errorf("tap %q is taken: %q", value, argv)
		}
	}
	spec := some()
	spec.Disk.Path = "/x/a,set=9,readonly=off"
	argv, err := Argv(spec)
	if err != nil {
		t.Fatal(err)
	}
	if disk := diskOf(argv); disk != spec.Disk.Path {
		t.Errorf("a comma in a path is not the path's own: %q, %q", disk, argv)
	}
}

// TestAnEarlierVersionsMachineIsKnown by the path that it was started with.
func TestAnEarlierVersionsMachineIsKnown(t *testing.T) {
	argv := []string{"qemu-system-x86_64", "-pidfile", "/s/machines/web-1/pid", "-blockdev",
		`{"driver":"qcow2","node-name":"disk","read-only":false,"discard":"unmap","file":{"driver":"file","filename":"/s/machines/web-1/disk-1.qcow2","locking":"on"}}`}
	if disk := diskOf(argv); disk != "/s/machines/web-1/disk-1.qcow2" {
		t.Errorf("its disk is %q", disk)
	}
}

func TestASocketThatCannotBeIsRefused(t *testing.T) {
	spec := some()
	spec.Files.QMP = "/" + strings.Repeat("a", MaxSocketPath)
	if _, err := Argv(spec); err == nil || !strings.Contains(err.Error(), "shorter state folder") {
		t.Errorf("a path that is too long: %v", err)
	}
}
