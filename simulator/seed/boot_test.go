package seed

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/guest"
	"stargate.io/stargate/test/guestimage"
)

// bootLimit is long: without KVM, beside other work, a machine may take minutes.
const bootLimit = 8 * time.Minute

// boot starts a machine on an overlay of a disk with a seed, and gives what it says of itself.
func boot(t *testing.T, disk, iso string, args ...string) <-chan guest.Report {
	t.Helper()
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("qemu-system-x86_64 is missing: apt-get install qemu-system-x86")
	}
	dir, err := os.MkdirTemp("", "sg") //nolint:usetesting // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	channel, console := filepath.Join(dir, "g"), filepath.Join(dir, "console.log")
	cmd := exec.Command(qemu, append([]string{
		"-nodefaults", "-no-user-config", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", "2", "-m", "384",
		"-display", "none", "-serial", "file:" + console,
		"-drive", "id=d,file=" + disk + ",format=qcow2,if=none,snapshot=on", "-device", "virtio-blk-pci,drive=d,bootindex=0",
		"-drive", "id=s,file=" + iso + ",format=raw,if=none,readonly=on", "-device", "virtio-blk-pci,drive=s",
		"-chardev", "socket,id=g,path=" + channel + ",server=on,wait=off", "-device", "virtio-serial-pci",
		"-device", "virtserialport,chardev=g,name=" + guest.Port,
		"-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n,mac=52:54:00:00:00:11",
	}, args...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if log, _ := os.ReadFile(console); t.Failed() {
			t.Logf("QEMU: %s\nthe console's end:\n%s", &complaint, log[max(0, len(log)-4000):])
		}
	})
	return listen(t, channel)
}

func listen(t *testing.T, channel string) <-chan guest.Report {
	t.Helper()
	var connection net.Conn
	var err error
	for deadline := time.Now().Add(20 * time.Second); ; {
		if connection, err = net.Dial("unix", channel); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("QEMU did not come up: %v", err)
		}
	}
	t.Cleanup(func() { _ = connection.Close() })
	reports := make(chan guest.Report)
	go func() {
		defer close(reports)
		_ = guest.Read(connection, func(r guest.Report, err error) {
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case reports <- r:
			case <-t.Context().Done():
			}
		})
	}()
	return reports
}

// await the first report that is as asked; what came before is logged where it changes.
func await(t *testing.T, reports <-chan guest.Report, is func(guest.Report) bool) guest.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	var last guest.Report
	for began := time.Now(); ; {
		select {
		case r, more := <-reports:
			if !more {
				t.Fatalf("the machine ended; it said last %+v", last)
			}
			if r.CloudInit != last.CloudInit || r.Detail != last.Detail {
				t.Logf("%4.1f s: up %s, cloud-init %s %s", time.Since(began).Seconds(), r.Uptime, r.CloudInit, r.Detail)
			}
			if last = r; is(r) {
				return r
			}
		case <-ctx.Done():
			t.Fatalf("no such report within %s; it said last %+v", bootLimit, last)
		}
	}
}

func ended(r guest.Report) bool { return r.CloudInit != guest.Running }

// userData does what a profile may do to lose the reporter by mistake: a runcmd and rules of merging of its own, a
// command that fails, and no cloud-init from the next boot on, which it brings about when all was told of this one.
const userData = `#cloud-config
merge_how: 'dict(replace)+list()+str()'
runcmd:
- [touch, /etc/cloud/cloud-init.disabled]
- [systemd-run, sh, -c, "until [ -e /run/cloud-init/result.json ]; do sleep 1; done; sleep 15; systemctl reboot"]
- [sh, -c, 'exit 3']
`

func TestBootedMachineTellsHowItIs(t *testing.T) {
	disk := guestimage.Disk(t, "12.1")
	iso := filepath.Join(t.TempDir(), "seed.iso")
	s := Seed{
		Server:     simulator.Server{Name: "web-1", MAC: "52:54:00:00:00:11", IPv4: "10.0.2.15"},
		InstanceID: "boot-1",
		Network:    Network{PrefixLen: 24, Gateway: netip.MustParseAddr("10.0.2.2")},
		UserData:   []byte(userData),
	}
	if err := Write(iso, s); err != nil {
		t.Fatal(err)
	}
	reports := boot(t, disk, iso)
	first := await(t, reports, func(guest.Report) bool { return true })
	if first.CloudInit != guest.Running {
		t.Errorf("the first report is %+v; want it while cloud-init runs", first)
	}
	last := await(t, reports, ended)
	if last.CloudInit != guest.Error || !strings.Contains(last.Detail, "scripts") {
		t.Errorf("cloud-init is %s, %q; its runcmd failed", last.CloudInit, last.Detail)
	}
	if last.Hostname != "web-1" || last.OSVersion != "12.1" || !slices.Contains(last.Addresses, "10.0.2.15") || last.Kubelet != "" || last.Boot != first.Boot {
		t.Errorf("it says %+v", last)
	}
	again := await(t, reports, func(r guest.Report) bool { return r.Boot != first.Boot })
	if again.CloudInit != guest.Disabled || again.Hostname != "web-1" || again.Uptime > last.Uptime {
		t.Errorf("after it started again it says %+v", again)
	}
}
