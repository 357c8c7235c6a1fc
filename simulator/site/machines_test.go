package site_test

import (
	"fmt"
	"net/netip"
	"testing"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/machine"
	"stargate.io/stargate/test/noguest"
)

// TestConformanceOnMachines holds the face to the contract with machines of QEMU behind it, that have no guest. A job
// waits for its image until it is to finish.
func TestConformanceOnMachines(t *testing.T) {
	noguest.Need(t)
	conformance.Run(t, func(t *testing.T) conformance.Site {
		t.Helper()
		m := newMachines(t)
		d := newDatacenterOf(t, m)
		suite := d.conformance()
		suite.Request = func(id string, n int) drivers.Request {
			request := conformance.Repave(id, n)
			request.Server.BMC = bmcOf(simulator.Server{IPv4: request.Server.IPv4})
			return request
		}
		suite.Begin = func() {
			for _, id := range d.live() {
				d.eventually("job "+id+" runs", func() bool { return d.job(id).Phase != wire.PhasePending })
			}
		}
		suite.Finish = func() {
			m.release()
			d.eventually("no job is live", func() bool { return len(d.live()) == 0 })
			m.hold()
		}
		return suite
	})
}

// bmcOf gives each machine a management controller that nobody serves.
func bmcOf(server simulator.Server) string {
	address, err := netip.ParseAddr(server.IPv4)
	if err != nil {
		return ""
	}
	bytes := address.As4()
	return fmt.Sprintf("10.1.0.%d:443", bytes[3])
}

// machines of QEMU, whose jobs wait for their image.
type machines struct {
	*machine.Machines
	disks   *noguest.Disks
	release func()
}

func newMachines(t *testing.T) *machines {
	t.Helper()
	m := &machines{disks: &noguest.Disks{}}
	m.hold()
	config := noguest.Config(noguest.Folder(t), m.disks)
	config.BMC = bmcOf
	m.Machines = openMachines(t, config)
	return m
}

// hold keeps jobs from now on waiting for their image.
func (m *machines) hold() { m.release = m.disks.Hold() }
