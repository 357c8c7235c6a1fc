package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/common"
	"github.com/stmcginnis/gofish/redfish"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/test/noguest"
)

// connect as a client does, with a session, or with the password in each request.
func (r *rig) connect(basic bool) *gofish.APIClient {
	r.Helper()
	client, err := gofish.ConnectContext(r.Context(), gofish.ClientConfig{Endpoint: r.server.URL, Username: "admin", Password: "secret", BasicAuth: basic})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(client.Logout)
	return client
}

// system as the client sees it now.
func (r *rig) system(client *gofish.APIClient) *redfish.ComputerSystem {
	r.Helper()
	systems, err := client.Service.Systems()
	if err != nil || len(systems) != 1 {
		r.Fatalf("it sees %d systems, %v", len(systems), err)
	}
	return systems[0]
}

// drive of the machine, as the client finds it from its manager.
func (r *rig) drive(client *gofish.APIClient) *redfish.VirtualMedia {
	r.Helper()
	managers, err := r.system(client).ManagedBy()
	if err != nil || len(managers) != 1 {
		r.Fatalf("it sees %d managers, %v", len(managers), err)
	}
	media, err := managers[0].VirtualMedia()
	if err != nil || len(media) != 1 {
		r.Fatalf("it sees %d drives, %v", len(media), err)
	}
	return media[0]
}

func (r *rig) press(client *gofish.APIClient, kind redfish.ResetType) {
	r.Helper()
	if err := r.system(client).Reset(kind); err != nil {
		r.Fatalf("%s: %v", kind, err)
	}
}

func (r *rig) setBoot(client *gofish.APIClient, boot redfish.Boot) {
	r.Helper()
	if err := r.system(client).SetBoot(boot); err != nil {
		r.Fatalf("%+v: %v", boot, err)
	}
}

// wantRefused fails unless the client was refused with a status and a message of the Base registry.
func wantRefused(t *testing.T, what string, err error, status int, id string) {
	t.Helper()
	var refused *common.Error
	if !errors.As(err, &refused) || refused.HTTPReturnedStatusCode != status || !strings.HasSuffix(refused.Code, "."+id) || len(refused.ExtendedInfos) == 0 {
		t.Errorf("%s: got %v, want %d %s", what, err, status, id)
	}
}

func TestWhatAClientSees(t *testing.T) {
	r := newRig(t)
	if _, err := gofish.Connect(gofish.ClientConfig{Endpoint: r.server.URL, Username: "admin", Password: "wrong"}); err == nil {
		t.Error("a wrong password is taken")
	}
	for _, basic := range []bool{false, true} {
		client := r.connect(basic)
		system := r.system(client)
		if system.Name != name || system.PowerState != redfish.OnPowerState || system.UUID == "" || system.Status.Health != common.OKHealth ||
			system.ProcessorSummary.Count != 1 || system.MemorySummary.TotalSystemMemoryGiB != 1.0/16 || len(system.SupportedResetTypes) != 6 {
			t.Errorf("the system: %+v", system)
		}
		interfaces, err := system.EthernetInterfaces()
		if err != nil || len(interfaces) != 1 || interfaces[0].MACAddress != "52:54:00:00:00:01" {
			t.Errorf("its interfaces: %+v, %v", interfaces, err)
		}
		chassis, err := client.Service.Chassis()
		if err != nil || len(chassis) != 1 || chassis[0].PowerState != redfish.OnPowerState {
			t.Errorf("its chassis: %+v, %v", chassis, err)
		}
		if drive := r.drive(client); drive.Inserted || !drive.SupportsMediaInsert || !drive.SupportsMediaEject || len(drive.MediaTypes) != 2 {
			t.Errorf("its drive: %+v", drive)
		}
	}
	if sessions, err := r.connect(false).Service.Sessions(); err != nil || len(sessions) != 2 {
		t.Errorf("sessions: %d, %v", len(sessions), err)
	}
}

func TestPower(t *testing.T) {
	r := newRig(t)
	client := r.connect(false)
	first := r.pid()
	r.wantStarts("disk")
	r.press(client, redfish.ForceRestartResetType)
	r.wantStarts("disk disk")
	r.press(client, redfish.OnResetType)
	if r.pid() != first {
		t.Error("a reset, or power on of one that is on, made another process")
	}
	r.press(client, redfish.PowerCycleResetType)
	r.wantStarts("disk disk disk")
	if now := r.pid(); now == first || now == 0 {
		t.Errorf("after a power cycle it is process %d, was %d", now, first)
	}
	r.press(client, redfish.GracefulShutdownResetType) // which a machine without a system does not hear
	if r.system(client).PowerState != redfish.OnPowerState {
		t.Error("it is off, though it heard nothing")
	}
	r.press(client, redfish.GracefulRestartResetType)
	r.wantStarts("disk disk disk disk")
	for range 2 {
		r.press(client, redfish.ForceOffResetType)
		if system := r.system(client); r.pid() != 0 || system.PowerState != redfish.OffPowerState {
			t.Errorf("it is %s, process %d", system.PowerState, r.pid())
		}
	}
	r.press(client, redfish.OnResetType)
	r.wantStarts("disk disk disk disk disk")
	_, err := client.Post("/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", map[string]string{"ResetType": "Nmi"})
	wantRefused(t, "an NMI", err, http.StatusBadRequest, "ActionParameterValueNotInList")
}

func TestVirtualMediaAndBoot(t *testing.T) {
	r := newRig(t)
	client := r.connect(false)
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/cd.iso" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(noguest.CD("cd"))
	}))
	defer images.Close()
	r.wantStarts("disk")
	wantRefused(t, "an image that is not there", r.drive(client).InsertMedia(images.URL+"/none.iso", true, true), http.StatusBadRequest, "CouldNotEstablishConnection")
	if err := r.drive(client).InsertMedia(images.URL+"/cd.iso", true, true); err != nil {
		t.Fatal(err)
	}
	if drive := r.drive(client); !drive.Inserted || drive.ImageName != "cd.iso" || drive.Image != images.URL+"/cd.iso" || r.opened() != 1 {
		t.Errorf("the drive: %+v; QEMU has %d media open", drive, r.opened())
	}
	// As it is when an installer is to run once.
	r.setBoot(client, redfish.Boot{BootSourceOverrideTarget: redfish.CdBootSourceOverrideTarget, BootSourceOverrideEnabled: redfish.OnceBootSourceOverrideEnabled})
	r.press(client, redfish.ForceRestartResetType)
	r.wantStarts("disk cd")
	r.wantNoOverride(client)
	r.press(client, redfish.ForceRestartResetType)
	r.wantStarts("disk cd disk")
	r.setBoot(client, redfish.Boot{BootSourceOverrideTarget: redfish.CdBootSourceOverrideTarget, BootSourceOverrideEnabled: redfish.ContinuousBootSourceOverrideEnabled})
	r.press(client, redfish.ForceRestartResetType)
	r.wantStarts("disk cd disk cd")
	r.press(client, redfish.PowerCycleResetType)
	r.wantStarts("disk cd disk cd cd")
	r.setBoot(client, redfish.Boot{BootSourceOverrideEnabled: redfish.DisabledBootSourceOverrideEnabled})
	r.press(client, redfish.PowerCycleResetType)
	r.wantStarts("disk cd disk cd cd disk")
	// Once from off, as Ironic does it.
	r.press(client, redfish.ForceOffResetType)
	r.setBoot(client, redfish.Boot{BootSourceOverrideTarget: redfish.CdBootSourceOverrideTarget, BootSourceOverrideEnabled: redfish.OnceBootSourceOverrideEnabled})
	r.press(client, redfish.OnResetType)
	r.wantStarts("disk cd disk cd cd disk cd")
	r.wantNoOverride(client)
	r.press(client, redfish.ForceRestartResetType)
	r.wantStarts("disk cd disk cd cd disk cd disk")
	if err := r.drive(client).EjectMedia(); err != nil {
		t.Fatal(err)
	}
	if drive := r.drive(client); drive.Inserted || drive.Image != "" || r.opened() != 0 {
		t.Errorf("the empty drive: %+v; QEMU has %d media open", drive, r.opened())
	}
	r.press(client, redfish.PowerCycleResetType)
	r.wantStarts("disk cd disk cd cd disk cd disk disk")
}

// wantNoOverride waits until a boot source that was for one start is over.
func (r *rig) wantNoOverride(client *gofish.APIClient) {
	r.Helper()
	r.eventually("the override is over", func() bool {
		return r.system(client).Boot.BootSourceOverrideEnabled == redfish.DisabledBootSourceOverrideEnabled
	})
}

// opened counts the media that the machine's process has open.
func (r *rig) opened() int {
	r.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", r.pid())
	entries, err := os.ReadDir(folder)
	if err != nil {
		r.Fatal(err)
	}
	open := map[string]bool{}
	for _, entry := range entries {
		if path, err := os.Readlink(filepath.Join(folder, entry.Name())); err == nil && strings.Contains(path, "/media/") {
			open[path] = true
		}
	}
	return len(open)
}

// TestDuringAJob: what a management controller does is out of band, and does not come between a job and its machine.
func TestDuringAJob(t *testing.T) {
	r := newRig(t)
	client := r.connect(true)
	before := r.pid()
	defer r.disks.Hold()()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := r.machines.Do(ctx, r.job("job-2", simulator.Repave), nil)
		ended <- err
	}()
	r.eventually("the job is on the machine", func() bool { status, _ := r.machines.Get(name); return status.Job == "job-2" })
	wantRefused(t, "a reset", r.system(client).Reset(redfish.ForceOffResetType), http.StatusConflict, "ResourceInUse")
	wantRefused(t, "a boot source", r.system(client).SetBoot(redfish.Boot{BootSourceOverrideTarget: redfish.CdBootSourceOverrideTarget}), http.StatusConflict, "ResourceInUse")
	wantRefused(t, "ejecting", r.drive(client).EjectMedia(), http.StatusConflict, "ResourceInUse")
	if r.pid() != before || r.system(client).PowerState != redfish.OnPowerState {
		t.Error("the machine is not as it was")
	}
	cancel(simulator.ErrCancelled)
	if err := <-ended; !errors.Is(err, simulator.ErrCancelled) {
		t.Errorf("the job ended with %v", err)
	}
	r.press(client, redfish.ForceOffResetType)
}
