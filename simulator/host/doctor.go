package host

import (
	"fmt"
	"strconv"
	"strings"

	"stargate.io/stargate/simulator/account"
)

// Verdict of a check.
type Verdict string

// The verdicts. Machines run with warnings; with failures they do not.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
)

// Check is one thing that was looked at.
type Check struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// Seen is what was seen.
	Seen string `json:"seen"`
	// Mend is what to do about it; empty when it is well.
	Mend string `json:"mend,omitempty"`
}

// The least QEMU that has what machines are started with, and that was tried.
const leastQEMU = 7

// Doctor gives the checks of a host, the same ones in the same order each time.
func Doctor(f Facts) []Check {
	checks := []Check{
		checkRoot(f), checkUsers(f), checkKVM(f),
		checkTool("qemu", f.QEMU, "qemu-system-x86"), checkTool("qemu-img", f.QEMUImg, "qemu-utils"), checkFirmware(f),
		checkTun(f),
	}
	for _, module := range neededModules {
		checks = append(checks, checkModule(module, f.Modules[module]))
	}
	return append(checks, checkForwarding(f), checkFirewall(f), checkSubnet(f), checkState(f), checkRun(f), checkMemory(f))
}

// Worst gives the worst of the verdicts.
func Worst(checks []Check) Verdict {
	worst := OK
	for _, check := range checks {
		if check.Verdict == Fail || check.Verdict == Warn && worst == OK {
			worst = check.Verdict
		}
	}
	return worst
}

func well(name, seen string, args ...any) Check {
	return Check{Name: name, Verdict: OK, Seen: fmt.Sprintf(seen, args...)}
}

func checkRoot(f Facts) Check {
	if f.Root {
		return well("root", "runs as root")
	}
	return Check{"root", Fail, "does not run as root: bridges, taps and rules cannot be made", "run it with sudo"}
}

func checkUsers(f Facts) Check {
	switch {
	case f.RunAs.Root():
		return Check{"users", Warn, "machines run as root: a guest that breaks out of QEMU is root", "leave --run-as out"}
	case f.Unknown != "":
		return Check{"users", Fail, f.Unknown, "give the container more user ids, or others with --run-as"}
	}
	return well("users", "QEMU and qemu-img run as user %s, each process as another", f.RunAs)
}

func checkKVM(f Facts) Check {
	accelerator, why := Accelerate(f)
	slow := "; machines run under TCG, some ten times slower"
	switch {
	case accelerator == KVM:
		return well("kvm", "the processor virtualizes (%s), and /dev/kvm opens", strings.Join(append(f.KVMModules, f.Virtualization), ", "))
	case why == f.Closed:
		return Check{"kvm", Warn, why + slow, account.Mend("/dev/kvm") + ", and a rule of udev that does so at each boot"}
	}
	return Check{"kvm", Warn, why + slow,
		"on hardware: turn on VT-x or AMD-V in the firmware, and modprobe kvm_intel or kvm_amd; in a virtual machine: turn on nested virtualization"}
}

func checkTool(name string, tool Tool, pack string) Check {
	install := "apt-get install " + pack
	if tool.Problem != "" {
		return Check{name, Fail, tool.Problem, install}
	}
	version, known := majorVersion(tool.Version)
	switch {
	case !known:
		return Check{name, Warn, fmt.Sprintf("%s says of its version %q, which is not understood", tool.Path, tool.Version), install}
	case version < leastQEMU:
		return Check{name, Fail, fmt.Sprintf("%s is %s, and at least version %d is needed", tool.Path, tool.Version, leastQEMU),
			"upgrade it: Debian 12 and Ubuntu 24.04 have newer"}
	}
	return well(name, "%s, %s", tool.Path, tool.Version)
}

// majorVersion reads "QEMU emulator version 7.2.22 (Debian …)" and "qemu-img version 7.2.22 …".
func majorVersion(line string) (int, bool) {
	_, rest, found := strings.Cut(line, "version ")
	if !found {
		return 0, false
	}
	major, _, _ := strings.Cut(rest, ".")
	number, err := strconv.Atoi(major)
	return number, err == nil
}

func checkFirmware(f Facts) Check {
	if f.Firmware != "" {
		return well("uefi", "%s", f.Firmware)
	}
	return Check{"uefi", Warn, "OVMF is not installed: images that boot by UEFI alone do not boot, others do", "apt-get install ovmf"}
}

func checkTun(f Facts) Check {
	if f.Tun == "" {
		return well("taps", "/dev/net/tun opens")
	}
	return Check{"taps", Fail, f.Tun, "modprobe tun; in a container, pass /dev/net/tun in"}
}

func checkModule(module string, known bool) Check {
	if known {
		return well("module "+module, "in the kernel")
	}
	return Check{"module " + module, Warn, "not loaded; the kernel loads it when it is first needed, if it has it", "modprobe " + module}
}

func checkForwarding(f Facts) Check {
	switch {
	case f.Network.Unknown != "":
		return Check{"forwarding", Fail, f.Network.Unknown, "run it as root, on a kernel with nf_tables"}
	case f.Network.Forwarding:
		return well("forwarding", "the host forwards IPv4 already")
	}
	return well("forwarding", "off: it is turned on while the simulator's network is up, and off again by simulator down")
}

func checkFirewall(f Facts) Check {
	if len(f.Network.Drops) == 0 {
		return well("firewall", "no chain of others drops what it does not know of what is forwarded")
	}
	seen := "chain " + strings.Join(f.Network.Drops, ", chain ") + " drops what it does not know: machines may not reach the outside"
	if f.Network.Bridged {
		seen += ", nor each other (br_netfilter is on)"
	}
	bridge := f.Network.Bridge
	return Check{"firewall", Warn, seen, fmt.Sprintf("accept the bridge there, both ways: with Docker, iptables -I DOCKER-USER -i %s -j ACCEPT and "+
		"iptables -I DOCKER-USER -o %s -j ACCEPT; with firewalld, firewall-cmd --zone=trusted --add-interface=%s", bridge, bridge, bridge)}
}

func checkSubnet(f Facts) Check {
	switch {
	case f.Network.Unknown != "":
		return Check{"subnet", Fail, f.Network.Unknown, "run it as root, on a kernel with nf_tables"}
	case f.Network.Problem != "":
		return Check{"subnet", Fail, f.Network.Problem, "mend what it names, or choose others with --subnet and --bridge"}
	}
	return well("subnet", "nothing is in the way of the bridge, its subnet and its tables")
}

// spaceMiB is how much the default image, its conversion and one machine want.
const spaceMiB = 8 << 10

func checkState(f Facts) Check {
	folder := f.State
	seen := fmt.Sprintf("%s: %s, %d MiB free", folder.Path, folder.FileSystem, folder.FreeMiB)
	larger := "give a folder on another disk with --state"
	switch {
	case folder.Problem != "":
		return Check{"state folder", Fail, folder.Problem, larger}
	case folder.FileSystem == "vfat":
		return Check{"state folder", Fail, seen + "; disks of over 4 GiB do not fit there", larger}
	case folder.FreeMiB < spaceMiB || folder.FreeFiles >= 0 && folder.FreeFiles < 1000:
		return Check{"state folder", Warn, fmt.Sprintf("%s, %d files; an image and a machine want some %d MiB", seen, folder.FreeFiles, spaceMiB), "make room, or " + larger}
	case folder.FileSystem == "tmpfs" || folder.FileSystem == "ramfs":
		return Check{"state folder", Warn, seen + "; it takes memory, and is gone after a reboot", larger}
	case folder.FileSystem == "nfs" || folder.FileSystem == "cifs":
		return Check{"state folder", Warn, seen + "; locks and flushes over a network are not always what they say", larger}
	}
	return well("state folder", "%s", seen)
}

func checkRun(f Facts) Check {
	if f.Run.Problem != "" {
		return Check{"run folder", Fail, f.Run.Problem, "mount a tmpfs there"}
	}
	return well("run folder", "%s can be written", f.Run.Path)
}

func checkMemory(f Facts) Check {
	accelerator, _ := Accelerate(f)
	one := Load{Accelerator: accelerator}
	one.Size.CPUs, one.Size.MemoryMiB = 2, 4<<10
	if err := Admit(Capacity{f.Capacity.Cores, f.Capacity.MemoryMiB, 1 << 30}, Reserve{}, nil, one); err != nil {
		return Check{"memory", Warn, err.Error(), "start it with smaller machines (--memory, --cpus)"}
	}
	return well("memory", "%d MiB available, %d cores", f.Capacity.MemoryMiB, f.Capacity.Cores)
}
