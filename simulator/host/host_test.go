package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/account"
	"stargate.io/stargate/simulator/network"
)

func TestAccelerate(t *testing.T) {
	for name, c := range map[string]struct {
		facts Facts
		want  Accelerator
		why   string
	}{
		"hardware, Intel":        {Facts{KVMModules: []string{kvmIntel}, Virtualization: "vmx"}, KVM, ""},
		"hardware, AMD":          {Facts{KVMModules: []string{kvmAMD}, Virtualization: "svm"}, KVM, ""},
		"KVM built into it":      {Facts{Virtualization: "vmx"}, KVM, ""},
		"flags are hidden":       {Facts{KVMModules: []string{kvmAMD}}, KVM, ""},
		"paravirtual":            {Facts{KVMModules: []string{kvmPVM}}, TCG, "kvm_pvm"},
		"paravirtual on Intel":   {Facts{KVMModules: []string{kvmIntel, kvmPVM}, Virtualization: "vmx"}, TCG, "kvm_pvm"},
		"nothing virtualizes":    {Facts{}, TCG, "neither flag vmx nor svm"},
		"no device":              {Facts{KVM: "there is no /dev/kvm", KVMModules: []string{kvmIntel}, Virtualization: "vmx"}, TCG, "there is no /dev/kvm"},
		"device of root alone":   {Facts{Closed: "/dev/kvm is root's alone", KVMModules: []string{kvmIntel}}, TCG, "root's alone"},
		"root alone, and no use": {Facts{Closed: "/dev/kvm is root's alone"}, TCG, "neither flag vmx nor svm"},
		"device of another user": {Facts{KVM: "open /dev/kvm: permission denied", Virtualization: "svm"}, TCG, "permission denied"},
	} {
		if got, why := Accelerate(c.facts); got != c.want || !strings.Contains(why, c.why) || (why == "") != (c.want == KVM) {
			t.Errorf("%s: %s, because %q; want %s that says %q", name, got, why, c.want, c.why)
		}
	}
}

var small = Load{Size: simulator.Size{CPUs: 1, MemoryMiB: 256, DiskGiB: 2}, Accelerator: KVM}

func TestAdmit(t *testing.T) {
	roomy := Capacity{Cores: 4, MemoryMiB: 8000, DiskMiB: 50_000}
	started := func(l Load, resident, disk int) Load { l.ResidentMiB, l.DiskMiB = resident, disk; return l }
	tcg := small
	tcg.Accelerator = TCG
	large := Load{Size: simulator.Size{CPUs: 2, MemoryMiB: 4096, DiskGiB: 20}, Accelerator: KVM}
	for name, c := range map[string]struct {
		has     Capacity
		running []Load
		machine Load
		says    []string // none for room
	}{
		"room":                                  {roomy, nil, large, nil},
		"just room":                             {Capacity{1, 512 + 256 + 128, 1024 + 2048}, nil, small, nil},
		"memory":                                {Capacity{1, 512 + 256 + 127, 9000}, nil, small, []string{"memory is 1 MiB short", "needs 384 MiB", "895 MiB available", "give it less memory"}},
		"TCG's translations":                    {Capacity{1, 512 + 256 + 128, 9000}, nil, tcg, []string{"memory is 256 MiB short", "256 for TCG's translations"}},
		"disk":                                  {Capacity{1, 8000, 1024 + 2047}, nil, small, []string{"disk is 1 MiB short", "fill 2048 MiB", "larger disk"}},
		"a large disk is not asked for in full": {Capacity{4, 8000, 1024 + 4096}, nil, large, nil},
		"what others may yet take":              {Capacity{4, 4800, 50_000}, []Load{started(large, 224, 0)}, small, []string{"memory is 96 MiB short", "4000 for machines that run"}},
		"what others have taken":                {Capacity{4, 1000, 50_000}, []Load{started(large, 4300, 0)}, small, nil},
		"disks that others may yet fill":        {Capacity{4, 8000, 1024 + 2048}, []Load{started(large, 9000, 4000)}, small, []string{"disk is 96 MiB short"}},
		"cores":                                 {Capacity{1, 80_000, 90_000}, []Load{large, large, large, large}, small, []string{"cores are 1 CPUs short", "at most 8", "fewer CPUs"}},
		"all of it":                             {Capacity{}, nil, small, []string{"memory is", "disk is", "cores are"}},
		"itself, started again":                 {Capacity{1, 600, 1124}, nil, started(small, 300, 2000), nil},
	} {
		err := Admit(c.has, Reserve{}, c.running, c.machine)
		if c.says == nil {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var refused *simulator.Refused
		if !errors.As(err, &refused) || refused.Reason != simulator.ReasonHostLimits {
			t.Errorf("%s: got %v, want a refusal", name, err)
			continue
		}
		for _, says := range c.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %q does not say %q", name, err, says)
			}
		}
	}
}

// TestAdmitIsMonotonic: more room never refuses, and a larger machine or one more beside it never helps.
func TestAdmitIsMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		load := func(name string) Load {
			return Load{
				Size:        simulator.Size{CPUs: 1 + draw(name+" cpus", 8), MemoryMiB: 64 + draw(name+" memory", 4096), DiskGiB: 1 + draw(name+" disk", 20)},
				Accelerator: rapid.SampledFrom([]Accelerator{KVM, TCG}).Draw(t, name),
				ResidentMiB: draw(name+" resident", 6000), DiskMiB: draw(name+" filled", 30_000),
			}
		}
		has := Capacity{Cores: 1 + draw("cores", 8), MemoryMiB: draw("memory", 16_000), DiskMiB: draw("disk", 60_000)}
		running := []Load{load("one"), load("two")}
		machine := load("machine")
		fits := Admit(has, Reserve{}, running, machine) == nil
		more := Capacity{has.Cores + draw("more cores", 4), has.MemoryMiB + draw("more memory", 9000), has.DiskMiB + draw("more disk", 9000)}
		if fits && Admit(more, Reserve{}, running, machine) != nil {
			t.Fatal("more room refuses")
		}
		if fits && Admit(has, Reserve{}, running[:1], machine) != nil {
			t.Fatal("one fewer beside it refuses")
		}
		larger := machine
		larger.Size.MemoryMiB += draw("larger", 4000)
		if !fits && Admit(has, Reserve{}, running, larger) == nil {
			t.Fatal("a larger machine fits")
		}
	})
}

// healthy is a host on which all is well.
func healthy() Facts {
	return Facts{
		Root: true, RunAs: account.Default, KVMModules: []string{kvmIntel}, Virtualization: "vmx",
		Modules:  map[string]bool{"bridge": true, "tun": true, "nf_tables": true},
		QEMU:     Tool{Path: "/usr/bin/qemu-system-x86_64", Version: "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"},
		QEMUImg:  Tool{Path: "/usr/bin/qemu-img", Version: "qemu-img version 10.0.2"},
		Firmware: "/usr/share/OVMF/OVMF_CODE_4M.fd",
		State:    Folder{Path: "/var/lib/stargate", FileSystem: "ext4", FreeMiB: 50_000, FreeFiles: 1_000_000},
		Run:      Folder{Path: "/run"},
		Capacity: Capacity{Cores: 8, MemoryMiB: 30_000, DiskMiB: 50_000},
		Network:  network.View{Forwarding: true},
	}
}

func TestDoctor(t *testing.T) {
	well := Doctor(healthy())
	for _, check := range well {
		if check.Verdict != OK || check.Mend != "" || check.Seen == "" {
			t.Errorf("on a healthy host: %+v", check)
		}
	}
	if Worst(well) != OK {
		t.Errorf("a healthy host is %s", Worst(well))
	}
	for name, c := range map[string]struct {
		spoil       func(*Facts)
		check       string
		want        Verdict
		seen, mends string
	}{
		"not root":            {func(f *Facts) { f.Root = false }, "root", Fail, "not run as root", "sudo"},
		"paravirtual":         {func(f *Facts) { f.KVMModules = []string{kvmPVM} }, "kvm", Warn, "kvm_pvm", "nested virtualization"},
		"machines as root":    {func(f *Facts) { f.RunAs = account.Range{} }, "users", Warn, "is root", "--run-as"},
		"a small container":   {func(f *Facts) { f.Unknown = "not those of this container" }, "users", Fail, "container", "--run-as"},
		"KVM for root alone":  {func(f *Facts) { f.Closed = "/dev/kvm is root's alone" }, "kvm", Warn, "root's alone", "chgrp kvm /dev/kvm"},
		"no QEMU":             {func(f *Facts) { f.QEMU = Tool{Problem: "not installed"} }, "qemu", Fail, "not installed", "apt-get install qemu-system-x86"},
		"old QEMU":            {func(f *Facts) { f.QEMU.Version = "QEMU emulator version 4.2.1" }, "qemu", Fail, "4.2.1", "upgrade"},
		"odd qemu-img":        {func(f *Facts) { f.QEMUImg.Version = "hello" }, "qemu-img", Warn, `"hello"`, "qemu-utils"},
		"no OVMF":             {func(f *Facts) { f.Firmware = "" }, "uefi", Warn, "not installed", "ovmf"},
		"no taps":             {func(f *Facts) { f.Tun = "there is no /dev/net/tun" }, "taps", Fail, "no /dev/net/tun", "modprobe tun"},
		"no bridges":          {func(f *Facts) { f.Modules["bridge"] = false }, "module bridge", Warn, "not loaded", "modprobe bridge"},
		"no nftables":         {func(f *Facts) { f.Network = network.View{Unknown: "listing nftables tables: not supported"} }, "forwarding", Fail, "nftables", "nf_tables"},
		"firewall":            {func(f *Facts) { f.Network.Drops = []string{"ip filter FORWARD"} }, "firewall", Warn, "ip filter FORWARD", "DOCKER-USER"},
		"bridged":             {func(f *Facts) { f.Network.Drops, f.Network.Bridged = []string{"x"}, true }, "firewall", Warn, "nor each other", "iptables"},
		"subnet in use":       {func(f *Facts) { f.Network.Problem = "subnet 192.168.100.0/24 is in use: eth0" }, "subnet", Fail, "eth0", "--subnet"},
		"state on tmpfs":      {func(f *Facts) { f.State.FileSystem = "tmpfs" }, "state folder", Warn, "after a reboot", "--state"},
		"state on a USB key":  {func(f *Facts) { f.State.FileSystem = "vfat" }, "state folder", Fail, "4 GiB", "--state"},
		"state on NFS":        {func(f *Facts) { f.State.FileSystem = "nfs" }, "state folder", Warn, "network", "--state"},
		"little disk":         {func(f *Facts) { f.State.FreeMiB = 100 }, "state folder", Warn, "100 MiB free", "make room"},
		"few inodes":          {func(f *Facts) { f.State.FreeFiles = 3 }, "state folder", Warn, "3 files", "make room"},
		"state is read-only":  {func(f *Facts) { f.State.Problem = "mounted read-only" }, "state folder", Fail, "read-only", "--state"},
		"run is not writable": {func(f *Facts) { f.Run.Problem = "no /run" }, "run folder", Fail, "no /run", "tmpfs"},
		"little memory":       {func(f *Facts) { f.Capacity.MemoryMiB = 2000 }, "memory", Warn, "short", "--memory"},
	} {
		t.Run(name, func(t *testing.T) {
			facts := healthy()
			c.spoil(&facts)
			found := false
			for _, check := range Doctor(facts) {
				if check.Name != c.check {
					continue
				}
				found = true
				if check.Verdict != c.want || !strings.Contains(check.Seen, c.seen) || !strings.Contains(check.Mend, c.mends) {
					t.Errorf("got %+v", check)
				}
			}
			if !found || Worst(Doctor(facts)) != c.want {
				t.Errorf("found %v, the worst is %s", found, Worst(Doctor(facts)))
			}
		})
	}
}

// tree makes a file system of texts.
func tree(t *testing.T, files map[string]string) Place {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	return Place{Root: root, State: filepath.Join(root, "var/lib/stargate")}
}

func TestGather(t *testing.T) {
	place := tree(t, map[string]string{
		"dev/kvm": "", "dev/net/tun": "",
		"proc/cpuinfo":                              "processor\t: 0\nflags\t\t: fpu vme svm npt\n\nprocessor\t: 1\nflags\t\t: fpu vmx\n",
		"proc/meminfo":                              "MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    8192000 kB\n",
		"sys/module/kvm_amd/refcnt":                 "0\n",
		"sys/module/bridge/version":                 "2.3\n",
		"proc/sys/kernel/osrelease":                 "6.1.0-9-amd64\n",
		"lib/modules/6.1.0-9-amd64/modules.builtin": "kernel/net/netfilter/nf_tables.ko\nkernel/fs/ext4/ext4.ko\n",
		"usr/share/ovmf/OVMF.fd":                    "",
		"run/lock":                                  "",
		"bin/qemu-system-x86_64":                    "#!/bin/sh\necho 'QEMU emulator version 9.1.0'; echo 'Copyright'\n",
		"bin/qemu-img":                              "#!/bin/sh\nexit 3\n",
	})
	t.Setenv("PATH", place.at("bin"))
	f := Gather(t.Context(), place)
	if accelerator, why := Accelerate(f); accelerator != KVM || f.Virtualization != "svm" {
		t.Errorf("%s, because %s; flag %q", accelerator, why, f.Virtualization)
	}
	if accelerator, _ := Choose(place); accelerator != KVM {
		t.Errorf("Choose says %s", accelerator)
	}
	for _, module := range neededModules {
		if !f.Modules[module] {
			t.Errorf("module %s is not seen", module)
		}
	}
	if f.QEMU.Version != "QEMU emulator version 9.1.0" || f.QEMU.Problem != "" || !strings.Contains(f.QEMUImg.Problem, "exit status 3") {
		t.Errorf("tools %+v, %+v", f.QEMU, f.QEMUImg)
	}
	if f.Capacity.MemoryMiB != 8000 || f.Capacity.DiskMiB <= 0 || f.Capacity.DiskMiB != f.State.FreeMiB || f.Capacity.Cores < 1 {
		t.Errorf("capacity %+v, state %+v", f.Capacity, f.State)
	}
	if f.Firmware == "" || f.Run.Problem != "" || f.State.Problem != "" || f.State.FileSystem == "" {
		t.Errorf("firmware %q, run %+v, state %+v", f.Firmware, f.Run, f.State)
	}
}

func TestGatherOnAnEmptyHost(t *testing.T) {
	place := tree(t, map[string]string{"sys/module/kvm_pvm/x": "", "proc/meminfo": "MemAvailable: lots\n", "var/lib": "a file"})
	t.Setenv("PATH", place.at("bin"))
	place.Network.Bridge = "no such/bridge"
	f := Gather(t.Context(), place)
	if accelerator, why := Choose(place); accelerator != TCG || !strings.Contains(why, "there is no") {
		t.Errorf("%s, because %s", accelerator, why)
	}
	if f.Tun == "" || f.Modules["tun"] || f.Modules["bridge"] || f.Capacity.MemoryMiB != 0 || f.Firmware != "" {
		t.Errorf("it sees what is not there: %+v", f)
	}
	for _, problem := range []string{f.QEMU.Problem, f.QEMUImg.Problem, f.State.Problem, f.Run.Problem, f.Network.Problem} {
		if problem == "" {
			t.Errorf("a problem is not seen: %+v", f)
		}
	}
	if Worst(Doctor(f)) != Fail {
		t.Error("an empty host is well")
	}
}

func TestAToolThatHangs(t *testing.T) {
	place := tree(t, map[string]string{"bin/qemu-img": "#!/bin/sh\nwhile :; do :; done\n"})
	t.Setenv("PATH", place.at("bin"))
	was := versionWithin
	versionWithin = was / 50
	t.Cleanup(func() { versionWithin = was })
	if found := tool(t.Context(), "qemu-img"); !strings.Contains(found.Problem, "killed") {
		t.Errorf("it says %+v", found)
	}
}

// TestRoomCountsWhatRuns: a machine that runs has what it was given, and what it has taken is gone from what is left. One
// that is about to run has taken nothing.
func TestRoomCountsWhatRuns(t *testing.T) {
	place := tree(t, map[string]string{
		"proc/meminfo":  "MemAvailable:    6144000 kB\n",      // 6000 MiB
		"proc/7/status": "Name:\tqemu\nVmRSS:\t 1126400 kB\n", // 1100 MiB
		"proc/8/status": "Name:\tqemu\nState:\tZ (zombie)\n",
		"dev/kvm":       "",
		"proc/cpuinfo":  "flags: vmx\n",
		"var/lib/stargate/machines/ann/disk-1.qcow2": strings.Repeat("x", 3<<20),
		"var/lib/stargate/machines/ann/seed-1.iso":   strings.Repeat("x", 3<<20),
	})
	status := simulator.Status{Server: simulator.Server{Name: "ann"}, Size: simulator.Size{CPUs: 1, MemoryMiB: 4096, DiskGiB: 1}, Accelerator: "kvm", PID: 7}
	off := status
	off.PID, off.Server.Name = 0, "bob"
	ended, dead := status, status
	ended.PID, ended.Server.Name = 8, "eve" // a zombie
	dead.PID, dead.Server.Name = 9, "oscar" // there is no such process
	h := New(place, Auto)
	h.Machines = func() []simulator.Status { return []simulator.Status{status, off, ended, dead} }
	if name, why := New(place, TCG).Accelerator(); name != "tcg" || why == "" {
		t.Errorf("asked for TCG it gives %s, because %q", name, why)
	}
	if name, why := h.Accelerator(); name != "kvm" || why != "" {
		t.Errorf("%s, because %s", name, why)
	}
	if h.FreeMiB() <= 0 {
		t.Error("no disk is free")
	}
	if got := h.loads(); len(got) != 1 || got[0].ResidentMiB != 1100 || got[0].DiskMiB != 3 {
		t.Fatalf("loads %+v", got)
	}
	starting := off
	starting.Starting, starting.Size.MemoryMiB = true, 100
	h.Machines = func() []simulator.Status { return []simulator.Status{status, off, starting} }
	if got := h.loads(); len(got) != 2 || got[1].ResidentMiB != 0 || got[1].needMemory() != 100+128 {
		t.Fatalf("with one that starts, loads %+v", got)
	}
	h.Machines = func() []simulator.Status { return []simulator.Status{status} }
	// Of 6000, 512 are kept and 4096+128-1100 promised: 2364 are left.
	if err := h.Room(simulator.Size{CPUs: 1, MemoryMiB: 2364 - 128, DiskGiB: 1}, "kvm"); err != nil {
		t.Error(err)
	}
	if err := h.Room(simulator.Size{CPUs: 1, MemoryMiB: 2365 - 128, DiskGiB: 1}, "kvm"); err == nil || !strings.Contains(err.Error(), "memory is 1 MiB short") {
		t.Errorf("got %v", err)
	}
}

// TestThisHost: on the machine that this runs on, what is judged is what the measured facts say of it.
func TestThisHost(t *testing.T) {
	f := Gather(t.Context(), Place{Root: "/", State: t.TempDir()})
	if _, err := os.Stat("/sys/module/kvm_pvm"); err == nil {
		if accelerator, why := Accelerate(f); accelerator != TCG {
			t.Errorf("paravirtual KVM is taken for %s, because %s", accelerator, why)
		}
	}
	if f.Capacity.MemoryMiB < 1 || f.Capacity.Cores < 1 || f.Capacity.DiskMiB < 1 {
		t.Errorf("capacity %+v", f.Capacity)
	}
	for _, check := range Doctor(f) {
		t.Logf("%-5s%-18s%s", check.Verdict, check.Name, check.Seen)
	}
}
