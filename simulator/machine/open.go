package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
	"stargate.io/stargate/simulator/statefile"
)

// Open the machines of a state folder, and own it until Close. Machines that run are adopted. What no state file names
// is ended and removed: processes, disks, sockets, taps. A deletion that was begun is finished; a job that was begun is
// left to whoever does it again.
// Errors: the folder is somebody else's (*statefile.Held), cannot be, or holds a record that cannot be read, in which
// case nothing of that machine is touched.
func Open(ctx context.Context, config Config) (*Machines, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, errors.Join(err, released(config.Lock))
	}
	for _, folder := range []string{config.Dir, machinesDir(config.Dir), runDir(config.Dir)} {
		if err := statefile.MakeFolder(folder); err != nil {
			return nil, errors.Join(err, released(config.Lock))
		}
	}
	lock := config.Lock
	if lock == nil {
		// A QEMU that was being started holds the lock of its dead starter until it is QEMU and can be seen.
		if lock, err = statefile.Take(config.Dir); err != nil {
			return nil, err
		}
	}
	s := &Machines{config: config, lock: lock, byName: map[string]*machine{}}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.settle(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.beside.Go(func() { s.watch(s.ctx) })
	return s, nil
}

// released gives a lock back that came along, when nothing comes of it.
func released(lock *statefile.Lock) error {
	if lock == nil {
		return nil
	}
	return lock.Release()
}

// settle brings what is there together with what is kept.
func (s *Machines) settle(ctx context.Context) error {
	if err := s.load(); err != nil {
		return err
	}
	if err := s.adopt(ctx); err != nil {
		return err
	}
	var names []string
	for _, m := range s.all() {
		if m.known().Deleting {
			if err := s.finishDeletion(ctx, m); err != nil {
				return err
			}
			continue
		}
		names = append(names, m.name)
		record := m.known()
		named := record.named()
		if err := m.sweep(func(name string) bool { return named[name] }); err != nil {
			return err
		}
		m.judge()
	}
	if err := s.sweepSockets(); err != nil {
		return err
	}
	if err := s.config.Network.Keep(ctx, names); err != nil {
		return fmt.Errorf("removing taps that are nobody's: %w", err)
	}
	return s.collect()
}

// sweepSockets removes the sockets of machines that are not there any more.
func (s *Machines) sweepSockets() error {
	named := map[string]bool{}
	for _, m := range s.all() {
		for _, path := range m.sockets() {
			named[filepath.Base(path)] = true
		}
	}
	entries, err := os.ReadDir(runDir(s.config.Dir))
	if err != nil {
		return fmt.Errorf("looking for sockets that are nobody's: %w", err)
	}
	for _, entry := range entries {
		if named[entry.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(runDir(s.config.Dir), entry.Name())); err != nil {
			return fmt.Errorf("removing a socket that is nobody's: %w", err)
		}
	}
	return nil
}

func (s *Machines) finishDeletion(ctx context.Context, m *machine) error {
	m, err := s.take(m.name, "its deletion", false)
	if err != nil {
		return err
	}
	defer s.give(m)
	return s.remove(ctx, m)
}

// load reads the records. A folder without one belongs to a machine that was never made.
func (s *Machines) load() error {
	entries, err := os.ReadDir(machinesDir(s.config.Dir))
	if err != nil {
		return fmt.Errorf("listing machines: %w", err)
	}
	for _, entry := range entries {
		m := &machine{paths: paths{dir: s.config.Dir, name: entry.Name()}, set: s}
		err := read(m.paths, &m.record)
		if errors.Is(err, os.ErrNotExist) {
			if err := os.RemoveAll(m.folder()); err != nil {
				return fmt.Errorf("removing a machine that was never made: %w", err)
			}
			continue
		}
		if err != nil {
			return err
		}
		m.made = true
		s.byName[m.name] = m
	}
	return nil
}

// read the record of a machine, whose name is that of its folder.
func read(p paths, into *record) error {
	if err := simulator.ValidName(p.name); err != nil {
		return fmt.Errorf("listing machines: %s is no machine's folder: move it away: %w", filepath.Join(machinesDir(p.dir), p.name), err)
	}
	if err := format.Read(p.record(), into); err != nil {
		return fmt.Errorf("reading machine %s: %w", p.name, err)
	}
	if into.Server.Name != p.name {
		return fmt.Errorf("reading machine %s: its record is that of %.80q", p.name, into.Server.Name)
	}
	return nil
}

// adopt the processes that records name, and end the others of this state folder. A process's arguments are what it says of
// itself: one that a record names goes before another that says the same, and one of a user that machines are never run as
// is nobody's concern.
func (s *Machines) adopt(ctx context.Context) error {
	processes, err := qemu.Running(s.config.Dir)
	if err != nil {
		return err
	}
	slices.SortStableFunc(processes, func(a, b qemu.Process) int { return cmp.Compare(s.rank(a), s.rank(b)) })
	for _, process := range processes {
		m := s.byName[process.Name]
		if s.rank(process) == stranger {
			s.config.Log.Warn("leaving a process alone that says it is a machine", "machine", process.Name, "pid", process.PID, "user", process.User)
			continue
		}
		if m != nil && m.owns(process) {
			s.config.Log.Info("adopting a machine", "machine", m.name, "pid", process.PID)
			l := &live{process: process.Identity, accelerator: process.Accelerator, started: now()}
			m.attach(l)
			if err := m.writeDown(l); err != nil {
				return err
			}
			continue
		}
		s.config.Log.Warn("ending a process that no state file names", "machine", process.Name, "pid", process.PID)
		if err := process.Kill(ctx); err != nil {
			return fmt.Errorf("ending a process that no state file names: %w", err)
		}
	}
	return nil
}

// The ranks of processes that say they are machines.
const (
	recorded = iota // the one that was written down
	possible        // its starter may have been killed before it could write it down
	stranger
)

func (s *Machines) rank(process qemu.Process) int {
	m := s.byName[process.Name]
	switch {
	case m != nil && m.known().Process != nil && *m.known().Process == process.Identity:
		return recorded
	case process.User == 0 || s.config.RunAs.Has(process.User) || int64(process.User) == int64(os.Geteuid()):
		return possible
	}
	return stranger
}

// owns tells whether a process is the machine's: its firmware tells the same UUID, it runs from the disk that the record
// names, and no other was adopted already.
func (m *machine) owns(process qemu.Process) bool {
	r := m.known()
	return m.live == nil && process.UUID == r.UUID && r.Disk.File != "" && process.Disk == m.file(r.Disk.File)
}

// Read gives what is kept of the machines of a state folder without owning it: for a look at one whose simulator does
// not run. Whether they are on is told by their processes.
func Read(dir string) ([]simulator.Status, error) {
	entries, err := os.ReadDir(machinesDir(dir))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("listing machines: %w", err)
	}
	processes, err := qemu.Running(dir)
	if err != nil {
		return nil, err
	}
	var list []simulator.Status
	for _, entry := range entries {
		m := &machine{paths: paths{dir: dir, name: entry.Name()}}
		err := read(m.paths, &m.record)
		if errors.Is(err, os.ErrNotExist) {
			continue // it is being made, or was
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m.kept(processes))
	}
	return list, nil
}

// kept is a machine's status as its record and the host's processes tell.
func (m *machine) kept(processes []qemu.Process) simulator.Status {
	r := m.record
	status := simulator.Status{
		Server: r.Server, Size: r.Size, Accelerator: r.Accelerator, Why: r.NoKVM, Console: m.console(),
		Facts:  simulator.Facts{OSVersion: r.OSVersion, ProfileHash: r.ProfileHash},
		Health: simulator.Health{Message: "the simulator does not run: nobody looks after it"},
	}
	if r.Job != nil {
		status.Job = r.Job.ID
	}
	for _, process := range processes {
		if m.owns(process) {
			status.PID, status.Facts.On = process.PID, true
		}
	}
	switch {
	case r.Quarantined != "":
		status.Health = simulator.Health{Condition: simulator.Quarantined, Message: r.Quarantined}
	case !r.Wanted:
		status.Health.Condition = simulator.Off
	case !status.Facts.On:
		status.Health.Condition = simulator.Dead
	}
	return status
}
