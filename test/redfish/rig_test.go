package redfish

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/bmc"
	"stargate.io/stargate/simulator/machine"
	"stargate.io/stargate/test/noguest"
)

// name of the machine.
const name = "server-001"

// rig is one machine of QEMU without an operating system, and its management controller. Its boot sectors tell the console
// what the machine was started from.
type rig struct {
	*testing.T
	disks    *noguest.Disks
	machines *machine.Machines
	server   *httptest.Server
}

func newRig(t *testing.T) *rig {
	t.Helper()
	noguest.Need(t)
	dir := noguest.Folder(t)
	r := &rig{T: t, disks: &noguest.Disks{}}
	machines, err := machine.Open(t.Context(), noguest.Config(dir, r.disks))
	if err != nil {
		t.Fatal(err)
	}
	r.machines = machines
	r.server = httptest.NewServer(bmc.New(bmc.Config{
		Panels: machines, User: "admin", Password: "secret", Media: bmc.Media{Folder: filepath.Join(dir, "media")},
	}, name))
	t.Cleanup(func() {
		r.server.Close()
		if err := machines.Delete(context.Background(), name); err != nil {
			t.Error(err)
		}
		if err := machines.Close(); err != nil {
			t.Error(err)
		}
	})
	r.do("job-1", simulator.Repave)
	return r
}

// do a job to its end.
func (r *rig) do(id string, action simulator.Action) {
	r.Helper()
	if _, err := r.machines.Do(r.Context(), r.job(id, action), nil); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) job(id string, action simulator.Action) simulator.Job {
	job := simulator.Job{ID: id, Action: action, Server: simulator.Server{Name: name, UID: "u-1", MAC: "52:54:00:00:00:01", IPv4: "192.168.100.11"}}
	if action == simulator.Repave {
		job.Image = &simulator.Image{OSVersion: "24.04"}
	}
	return job
}

// pid of the machine's process; zero while it is off.
func (r *rig) pid() int {
	r.Helper()
	status, there := r.machines.Get(name)
	if !there {
		r.Fatal("the machine is no more")
	}
	return status.PID
}

// starts gives what the machine was started from so far, in order.
func (r *rig) starts() string {
	r.Helper()
	status, _ := r.machines.Get(name)
	console, err := os.ReadFile(status.Console)
	if err != nil {
		r.Fatal(err)
	}
	return strings.Join(noguest.Starts(console), " ")
}

// wantStarts waits until the machine was started from these, and no others.
func (r *rig) wantStarts(want string) {
	r.Helper()
	for deadline := time.Now().Add(patience); r.starts() != want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("it was started from %s, want %s", r.starts(), want)
		}
	}
}

// patience with a machine on a host that may have much else to do.
const patience = 30 * time.Second

// eventually waits for something to be so.
func (r *rig) eventually(what string, so func() bool) {
	r.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("it is not so in time: %s", what)
		}
	}
}
