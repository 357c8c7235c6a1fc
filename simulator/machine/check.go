package machine

import (
	"net"
	"net/netip"

	"stargate.io/stargate/simulator"
)

// Check implements simulator.Checker: what Do would refuse now.
func (s *Machines) Check(job simulator.Job) error {
	if err := s.valid(job); err != nil {
		return err
	}
	s.mu.Lock()
	m := s.byName[job.Server.Name]
	s.mu.Unlock()
	if m == nil {
		return s.admit(nil, job)
	}
	m.mu.Lock()
	claim := m.claim
	m.mu.Unlock()
	if claim != "" && claim != job.ID {
		return simulator.Refuse(simulator.ReasonServerBusy, "machine %s is busy with %s: wait for it to end, or cancel it", m.name, claim)
	}
	return s.admit(m, job)
}

// valid refuses a job that cannot be, whatever there is.
func (s *Machines) valid(job simulator.Job) error {
	if job.ID == "" {
		return simulator.Refuse(simulator.ReasonBadRequest, "the job has no id")
	}
	if err := simulator.ValidName(job.Server.Name); err != nil {
		return err
	}
	if _, known := deeds[job.Action]; !known {
		return simulator.Refuse(simulator.ReasonBadRequest, "action %.40q is none that a simulated machine knows", job.Action)
	}
	if (job.Image != nil) != (job.Action == simulator.Repave) {
		return simulator.Refuse(simulator.ReasonBadRequest, "a repave comes with an image, and nothing else does; action %s", job.Action)
	}
	if job.Action != simulator.Repave {
		return nil
	}
	if err := validAddresses(job.Server); err != nil {
		return err
	}
	if err := s.config.Network.Check(job.Server); err != nil {
		return err
	}
	return s.config.Seeds.Check(job.Server, *job.Image)
}

// validAddresses refuses addresses that no machine can have.
func validAddresses(server simulator.Server) error {
	mac, err := net.ParseMAC(server.MAC)
	if err != nil || len(mac) != 6 || mac.String() != server.MAC || mac[0]&1 != 0 {
		return simulator.Refuse(simulator.ReasonBadRequest, "mac %.40q of server %s: it is to be one machine's address, lower case with colons, "+
			"such as 52:54:00:00:00:01", server.MAC, server.Name)
	}
	if ip, err := netip.ParseAddr(server.IPv4); err != nil || !ip.Is4() {
		return simulator.Refuse(simulator.ReasonBadRequest, "ipv4 %.40q of server %s: it is to be an address such as 192.168.100.10", server.IPv4, server.Name)
	}
	return nil
}

// admit refuses a job that the machine, the other machines or the host do not allow. A machine that was never made is
// nil.
func (s *Machines) admit(m *machine, job simulator.Job) error {
	if m != nil {
		if err := m.admits(job); err != nil {
			return err
		}
		if m.begun(job) {
			return nil // it was let in when it began
		}
	}
	if job.Action == simulator.Repave {
		if err := s.unshared(job.Server); err != nil {
			return err
		}
	}
	if !starts[job.Action] || m != nil && m.running() {
		return nil
	}
	accelerator, _ := s.config.Host.Accelerator()
	return s.config.Host.Room(s.config.sizeOf(job.Server.Name), accelerator)
}

// starts are the actions that start a machine which is off.
var starts = map[simulator.Action]bool{simulator.Repave: true, simulator.PowerOn: true}

// begun tells whether a job is on the machine, or was the last.
func (m *machine) begun(job simulator.Job) bool {
	r := m.known()
	return r.Job != nil && r.Job.ID == job.ID || r.Last != nil && r.Last.ID == job.ID
}

// admits refuses a job for another machine under this name.
func (m *machine) admits(job simulator.Job) error {
	r := m.known()
	if r.UUID == "" {
		return nil // being made
	}
	if r.Deleting {
		return simulator.Refuse(simulator.ReasonServerBusy, "machine %s is being deleted: wait for it", m.name)
	}
	if r.Server.UID != "" && job.Server.UID != "" && r.Server.UID != job.Server.UID {
		return simulator.Refuse(simulator.ReasonIdentityMismatch, "machine %s belongs to the Server with UID %s, not %.80q: "+
			"if that Server is gone for good, delete the machine: simulator delete %s", m.name, r.Server.UID, job.Server.UID, m.name)
	}
	if job.Server.MAC != "" && r.Server.MAC != job.Server.MAC {
		return simulator.Refuse(simulator.ReasonIdentityMismatch, "machine %s has MAC %s, not %.40q: "+
			"correct the Server, or delete the machine: simulator delete %s", m.name, r.Server.MAC, job.Server.MAC, m.name)
	}
	return nil
}

// unshared refuses an address that another machine has.
func (s *Machines) unshared(server simulator.Server) error {
	for _, other := range s.all() {
		r := other.known()
		if other.name == server.Name || r.UUID == "" {
			continue
		}
		if r.Server.MAC == server.MAC {
			return simulator.Refuse(simulator.ReasonIdentityMismatch, "machine %s has MAC %s already: give server %s another", other.name, server.MAC, server.Name)
		}
		if r.Server.IPv4 == server.IPv4 {
			return simulator.Refuse(simulator.ReasonBadRequest, "machine %s has address %s already: give server %s another", other.name, server.IPv4, server.Name)
		}
	}
	return nil
}
