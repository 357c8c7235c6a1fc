package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator/account"
	"stargate.io/stargate/simulator/network"
)

// Place is where facts are gathered.
type Place struct {
	// Root of the file system under which proc, sys, dev and run are: "/", or a tree that a test made.
	Root string
	// State is the state folder; it need not be there.
	State string
	// RunAs are the users that machines run as.
	RunAs account.Range
	// Network that is to be.
	Network network.Config
}

// at gives a path under the root.
func (p Place) at(path string) string { return filepath.Join(p.Root, path) }

// networkFile is where package network keeps its record.
func (p Place) networkFile() string { return filepath.Join(p.State, "network.json") }

// Gather gives all that Doctor asks for. What cannot be told is a fact as well.
func Gather(ctx context.Context, p Place) Facts {
	f := Facts{
		Root: os.Geteuid() == 0, KVM: device(p.at("dev/kvm")), Tun: device(p.at("dev/net/tun")),
		Modules: map[string]bool{},
		QEMU:    tool(ctx, "qemu-system-x86_64"), QEMUImg: tool(ctx, "qemu-img"),
		Firmware: Firmware(p), State: folder(p.State), Run: existing(p.at("run")),
		Capacity: Measure(p), Closed: p.closed(), RunAs: p.RunAs,
	}
	if err := p.RunAs.Known(p.at("proc")); err != nil {
		f.Unknown = err.Error()
	}
	f.KVMModules, f.Virtualization = virtualization(p)
	for _, module := range neededModules {
		f.Modules[module] = hasModule(p, module)
	}
	config, err := p.Network.Complete()
	if err != nil {
		f.Network.Problem = err.Error()
		return f
	}
	f.Network = network.Look(p.networkFile(), config)
	if f.Network.Unknown == "" {
		f.Modules["nf_tables"] = true // it listed its tables
	}
	return f
}

// Choose gathers what Accelerate asks for, and asks it.
func Choose(p Place) (accelerator Accelerator, why string) {
	f := Facts{KVM: device(p.at("dev/kvm")), Closed: p.closed()}
	f.KVMModules, f.Virtualization = virtualization(p)
	return Accelerate(f)
}

// Measure gives what the host has left. What cannot be read is nothing left.
func Measure(p Place) Capacity {
	return Capacity{Cores: runtime.NumCPU(), MemoryMiB: available(p.at("proc/meminfo")), DiskMiB: folder(p.State).FreeMiB}
}

// device says why a device cannot be opened; "" when it can.
func device(path string) string {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0) //nolint:gosec // /dev/kvm and /dev/net/tun
	if err == nil {
		err = file.Close()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no " + path
	case err != nil:
		return err.Error()
	}
	return ""
}

// closed says why machines cannot open /dev/kvm where root can.
func (p Place) closed() string {
	if _, err := p.RunAs.Device(p.at("dev/kvm")); err != nil {
		return err.Error()
	}
	return ""
}

// virtualization gives the modules of KVM, and the processor's flag.
func virtualization(p Place) (modules []string, flag string) {
	for _, module := range []string{kvmIntel, kvmAMD, kvmPVM} {
		if _, err := os.Stat(p.at("sys/module/" + module)); err == nil {
			modules = append(modules, module)
		}
	}
	for _, line := range lines(p.at("proc/cpuinfo")) {
		name, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) != "flags" {
			continue
		}
		flags := strings.Fields(value)
		for _, flag := range []string{"vmx", "svm"} {
			if slices.Contains(flags, flag) {
				return modules, flag
			}
		}
		break // the processors of a host are alike
	}
	return modules, ""
}

// hasModule tells whether a module is loaded, or built into the kernel.
func hasModule(p Place, module string) bool {
	if _, err := os.Stat(p.at("sys/module/" + module)); err == nil {
		return true
	}
	if module == "tun" && device(p.at("dev/net/tun")) == "" {
		return true // to open the device loads it
	}
	release := lines(p.at("proc/sys/kernel/osrelease"))
	if len(release) == 0 {
		return false
	}
	for _, line := range lines(p.at("lib/modules/" + filepath.Base(release[0]) + "/modules.builtin")) {
		if filepath.Base(line) == module+".ko" {
			return true
		}
	}
	return false
}

// available gives MemAvailable, in MiB.
func available(meminfo string) int {
	for _, line := range lines(meminfo) {
		if value, found := strings.CutPrefix(line, "MemAvailable:"); found {
			return mebibytes(value)
		}
	}
	return 0
}

// mebibytes reads "  8192000 kB".
func mebibytes(value string) int {
	kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
	if err != nil {
		return 0
	}
	return kib >> 10
}

// lines gives those of a small file, at most a mebibyte; none where it cannot be read.
func lines(path string) []string {
	file, err := os.Open(path) //nolint:gosec // of /proc, /sys and /lib/modules
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // it was only read
	var found []string
	for scanner := bufio.NewScanner(io.LimitReader(file, 1<<20)); scanner.Scan(); {
		found = append(found, scanner.Text())
	}
	return found
}

// firmwares are where distributions put OVMF with its code and variables in one file, as QEMU's -bios takes it.
var firmwares = []string{"usr/share/ovmf/OVMF.fd", "usr/share/OVMF/OVMF.fd", "usr/share/qemu/OVMF.fd", "usr/share/edk2/x64/OVMF.4m.fd"}

// Firmware gives the path of OVMF, for machines that boot by UEFI; "" where there is none.
func Firmware(p Place) string {
	for _, path := range firmwares {
		if _, err := os.Stat(p.at(path)); err == nil {
			return p.at(path)
		}
	}
	return ""
}

// versionWithin is how long a tool may take to say its version. Tests shorten it.
var versionWithin = 10 * time.Second

// tool finds a program and asks for its version.
func tool(ctx context.Context, name string) Tool {
	path, err := exec.LookPath(name)
	if err != nil {
		return Tool{Problem: fmt.Sprintf("%s is not installed: %v", name, err)}
	}
	ctx, cancel := context.WithTimeout(ctx, versionWithin)
	defer cancel()
	command := exec.CommandContext(ctx, path, "--version") //nolint:gosec // one of the two tools by its name
	command.WaitDelay = time.Second
	out, err := command.Output()
	if err != nil {
		return Tool{Path: path, Problem: fmt.Sprintf("%s does not run: %v", path, err)}
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return Tool{Path: path, Version: string(line[:min(len(line), 200)])}
}
