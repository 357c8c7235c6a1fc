package simulator_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi"
	"stargate.io/stargate/simulator/guest"
	"stargate.io/stargate/test/guestimage"
)

// badUserData does what a profile may do to lose the reporter by mistake: a runcmd and rules of merging of its own, a
// command that fails, and no cloud-init from the next boot on.
const badUserData = `#cloud-config
merge_how: 'dict(replace)+list()+str()'
runcmd:
- [touch, /etc/cloud/cloud-init.disabled]
- [sh, -c, 'exit 3']
`

// TestGuestTellsHowItIs: a machine whose cloud-init fails says so, and is left running. Rebooted it shuts down by itself, and
// is heard in its next boot, which has no cloud-init; its simulator is killed in between. The datacenter's driver asks
// for all of it, without a cluster: the machine's system is what is of interest.
func TestGuestTellsHowItIs(t *testing.T) {
	h := newHost(t)
	before := h.traces()
	disk := guestimage.Disk(t, first)
	sim := h.datacenter(filepath.Dir(disk))
	driver := h.driver()
	job, stages := h.job(driver, "bad", drivers.Repave, &drivers.Image{OSVersion: first, URL: "file://" + disk, Format: "qcow2", UserData: []byte(badUserData)})
	if job.Phase != drivers.JobFailed || !strings.Contains(job.Message, "cloud-init: the guest says") || !strings.Contains(job.Message, "scripts") {
		t.Errorf("the repave, whose runcmd fails, ends as %+v", job)
	}
	if !slices.Contains(stages, "cloud-init") {
		t.Errorf("it went through %q: nothing was heard while cloud-init ran", stages)
	}
	failed := h.listed()
	if !failed.On || failed.PID == 0 || strings.Join(failed.Addresses, " ") != address {
		t.Errorf("left to be looked at, it is %+v", failed)
	}

	sim.end(syscall.SIGKILL)
	said := h.hears(func(guest.Report) bool { return true })
	if said.CloudInit != guest.Error || said.Hostname != server || said.OSVersion != first || said.Kubelet != "" {
		t.Errorf("it says %+v", said)
	}
	sim = h.datacenter(filepath.Dir(disk))
	if adopted := h.listed(); adopted.PID != failed.PID {
		t.Errorf("adopted, it is %+v, and was %+v", adopted, failed)
	}

	// The job succeeds once another boot is heard of, which is not given up on before the test is.
	if job, _ = h.job(driver, "again", drivers.Reboot, nil); job.Phase != drivers.JobSucceeded {
		t.Fatalf("the reboot ends as %+v", job)
	}
	if strings.Contains(sim.output.String(), "was reset") {
		t.Errorf("it did not shut down by itself:\n%s", sim.output.String())
	}
	if again := h.listed(); again.PID == failed.PID || again.Condition != "Healthy" {
		t.Errorf("rebooted, it is %+v", again)
	}
	sim.end(syscall.SIGKILL)
	again := h.hears(func(r guest.Report) bool { return slices.Contains(r.Addresses, address) })
	if again.CloudInit != guest.Disabled || again.Boot == said.Boot || again.Hostname != server {
		t.Errorf("rebooted, it says %+v; and before %+v", again, said)
	}
	h.down(before)
}

// hears what the machine says of itself, in its simulator's place, until it is as asked.
func (h *host) hears(is func(guest.Report) bool) (said guest.Report) {
	h.Helper()
	ports, err := filepath.Glob(filepath.Join(h.simulatorState(), "run", "*.rpt"))
	if err != nil || len(ports) != 1 {
		h.Fatalf("the ports that guests report on are %q", ports)
	}
	port, err := net.Dial("unix", ports[0])
	if err != nil {
		h.Fatal(err)
	}
	defer port.Close()
	if err := port.SetReadDeadline(time.Now().Add(patience)); err != nil {
		h.Fatal(err)
	}
	found := false
	ended := guest.Read(port, func(r guest.Report, err error) {
		if found || err != nil {
			return // the first that is heard may have been cut short
		}
		if said, found = r, is(r); found {
			_ = port.Close() // which ends the reading
		}
	})
	if !found {
		h.Fatalf("no such report (%v); the last is %+v", ended, said)
	}
	return said
}

// datacenter starts the simulator without a cluster, and waits until it serves.
func (h *host) datacenter(images string) *program {
	h.Helper()
	sim := h.start("bin/simulator", "--state", h.simulatorState(), "--image-folder", images, "--memory", "512", "--disk", "3",
		"--boot-patience", "20m", "--shutdown-patience", "2m", "-o", "json")
	driver := h.driver()
	h.until("the simulator answers", time.Minute, func() (bool, string) {
		select {
		case <-sim.ended:
			h.Fatalf("the simulator ended:\n%s", sim.output.Tail())
		default:
		}
		_, err := driver.Probe(h.Context())
		return err == nil, sim.output.Tail()
	})
	return sim
}

// driver of the simulator's site.
func (h *host) driver() *dcapi.Driver {
	h.Helper()
	driver, err := dcapi.New(dcapi.Config{
		Endpoint: "http://127.0.0.1:8090", Name: "dc-simulator/simulator",
		Token: func(context.Context) (string, error) {
			token, err := os.ReadFile(filepath.Join(h.simulatorState(), "dc-token"))
			return strings.TrimSpace(string(token)), err
		},
	})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(driver.Close)
	return driver
}

// job has the site do something with the machine, and gives how that ended and the stages that it went through.
func (h *host) job(driver *dcapi.Driver, id string, action drivers.Action, image *drivers.Image) (last drivers.JobStatus, stages []string) {
	h.Helper()
	ref, err := driver.Start(h.Context(), drivers.Request{
		ID: id, Action: action, Server: drivers.Identity{Name: server, MAC: "52:54:00:00:00:01", IPv4: address}, Image: image,
	})
	if err != nil {
		h.Fatal(err)
	}
	h.until("job "+id+" has ended", patience, func() (bool, string) {
		status, err := driver.Status(h.Context(), ref)
		if err != nil {
			return false, err.Error()
		}
		last, stages = status, append(stages, status.Stage)
		return last.Phase.Terminal(), last.Stage + " " + last.Message
	})
	return last, slices.Compact(stages)
}

// listed is a machine as the command line lists it.
type listed struct {
	Condition string
	On        bool
	PID       int
	Addresses []string
}

func (h *host) listed() (machine listed) {
	h.Helper()
	var list struct{ Items []listed }
	text := h.run("bin/simulator", "--state", h.simulatorState(), "list", "-o", "json")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Items) != 1 {
		h.Fatalf("the list is %v\n%s", err, text)
	}
	return list.Items[0]
}
