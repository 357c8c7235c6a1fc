package machine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/statefile"
)

// Machines is the set of machines of a state folder. Its methods are safe for concurrent use.
type Machines struct {
	config Config
	lock   *statefile.Lock
	// ctx ends when the set is closed; what runs beside the callers is counted in beside.
	ctx    context.Context //nolint:containedctx // it is the set's own life, not a call's
	stop   context.CancelFunc
	beside sync.WaitGroup
	// room is held while a machine is given room on the host.
	room sync.Mutex

	mu     sync.Mutex
	byName map[string]*machine
}

// machine is one of them. Its record is what is on disk.
type machine struct {
	paths
	set *Machines

	// looking is held while it is looked at, so that a slow look is not doubled.
	looking sync.Mutex

	mu     sync.Mutex
	record record
	// made: there is a record on disk.
	made bool
	// claim is who works on it: a job's id, or a recovery; empty for nobody.
	claim string
	live  *live // nil while no process of it runs
	// starting under an accelerator: it has been given room, and its process is not there yet; empty where it does not.
	starting string
	sight    sight
	health   simulator.Health
	// trouble is why its last recovery went wrong; nil where it went well.
	trouble error
}

// change what is kept of a machine: on disk first. After an error nothing has changed.
func (m *machine) change(edit func(*record)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.record
	next.Took = maps.Clone(next.Took)
	if next.Job != nil {
		job := *next.Job
		next.Job = &job
	}
	next.Restarts, next.Resets, next.Boots, next.Faults = slices.Clip(next.Restarts), slices.Clip(next.Resets), slices.Clip(next.Boots), slices.Clip(next.Faults)
	edit(&next)
	if err := format.Write(m.paths.record(), &next); err != nil {
		return fmt.Errorf("keeping the state of machine %s: %w", m.name, err)
	}
	m.record, m.made = next, true
	return nil
}

// known gives what is kept of a machine. What it points to is not to be changed.
func (m *machine) known() record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record
}

// Get implements simulator.Machines.
func (s *Machines) Get(name string) (simulator.Status, bool) {
	s.mu.Lock()
	m := s.byName[name]
	s.mu.Unlock()
	if m == nil {
		return simulator.Status{}, false
	}
	return m.status()
}

// List implements simulator.Machines.
func (s *Machines) List() []simulator.Status {
	var list []simulator.Status
	for _, m := range s.all() {
		if status, made := m.status(); made {
			list = append(list, status)
		}
	}
	return list
}

// all machines, by name.
func (s *Machines) all() []*machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.byName), func(a, b *machine) int { return strings.Compare(a.name, b.name) })
}

// take claims a machine for a piece of work; with fresh, one that was never made is there from now on, in memory.
// Errors: *simulator.Refused when somebody else works on it; errNone.
func (s *Machines) take(name, by string, fresh bool) (*machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byName[name]
	if m == nil && !fresh {
		return nil, errNone
	}
	if m == nil {
		m = &machine{paths: paths{dir: s.config.Dir, name: name}, set: s}
		s.byName[name] = m
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.claim != "" {
		return nil, simulator.Refuse(simulator.ReasonServerBusy, "machine %s is busy with %s: wait for it to end, or cancel it", name, m.claim)
	}
	m.claim = by
	return m, nil
}

// errNone says that there is no such machine.
var errNone = errors.New("there is no such machine")

// give back a machine. One that was not made in the end is forgotten.
func (s *Machines) give(m *machine) {
	s.mu.Lock()
	m.mu.Lock()
	m.claim = ""
	made := m.made
	if !made {
		delete(s.byName, m.name)
	}
	m.mu.Unlock()
	s.mu.Unlock()
	if made {
		m.judge() // what is not well is treated after the next look
	}
}

// status of a machine; false for one that is not made yet.
func (m *machine) status() (simulator.Status, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.made {
		return simulator.Status{}, false
	}
	r := m.record
	status := simulator.Status{
		Server: r.Server, Size: r.Size, Facts: m.facts(), Health: m.health, Job: m.claim,
		Accelerator: r.Accelerator, Why: r.NoKVM, Console: m.console(),
	}
	if status.Job == "" && r.Job != nil {
		status.Job = r.Job.ID
	}
	switch {
	case m.live != nil:
		status.PID = m.live.process.PID
	case m.starting != "":
		status.Starting, status.Accelerator = true, m.starting
	}
	if _, why := m.set.config.Host.Accelerator(); status.Why == "" {
		status.Why = why
	}
	if m.set.config.BMC != nil {
		status.BMC = m.set.config.BMC(r.Server)
	}
	return status, true
}

// facts that are known of a machine. The caller holds its lock.
func (m *machine) facts() simulator.Facts {
	r := m.record
	facts := simulator.Facts{On: m.live != nil, OSVersion: r.OSVersion, ProfileHash: r.ProfileHash, Hardware: map[string]string{
		"cpus": fmt.Sprint(r.Size.CPUs), "memoryMiB": fmt.Sprint(r.Size.MemoryMiB), "diskGiB": fmt.Sprint(r.Size.DiskGiB),
		"accelerator": r.Accelerator,
	}}
	if m.live == nil {
		return facts
	}
	if report, at := m.live.reported(); !at.IsZero() {
		facts.Addresses = slices.Clone(report.Addresses)
		if report.OSVersion != "" && r.OSVersion != "" {
			facts.OSVersion = report.OSVersion
		}
	}
	return facts
}

// Delete implements simulator.Machines. What a crash leaves of it is removed at the next Open.
func (s *Machines) Delete(ctx context.Context, name string) error {
	m, err := s.take(name, "its deletion", false)
	if errors.Is(err, errNone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.give(m)
	if err := m.change(func(r *record) { r.Deleting, r.Wanted = true, false }); err != nil {
		return err
	}
	s.config.Passing("delete:intended")
	return s.remove(ctx, m)
}

// remove what a machine has, its record last. The caller has claimed it.
func (s *Machines) remove(ctx context.Context, m *machine) error {
	if err := m.kill(ctx); err != nil {
		return err
	}
	s.config.Passing("delete:stopped")
	if err := s.config.Network.Remove(ctx, m.name); err != nil {
		return fmt.Errorf("removing machine %s: %w", m.name, err)
	}
	s.config.Passing("delete:untapped")
	if err := m.sweep(func(name string) bool { return name == recordName }); err != nil {
		return err
	}
	s.config.Passing("delete:emptied")
	if err := os.RemoveAll(m.folder()); err != nil {
		return fmt.Errorf("removing machine %s: %w", m.name, err)
	}
	m.mu.Lock()
	m.made, m.record = false, record{}
	m.mu.Unlock()
	return s.collect()
}

// sweep removes the files of a machine's folder but for those that are to be kept, and its sockets when it is off.
func (m *machine) sweep(keep func(name string) bool) error {
	entries, err := os.ReadDir(m.folder())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("looking through the folder of machine %s: %w", m.name, err)
	}
	for _, entry := range entries {
		if keep(entry.Name()) {
			continue
		}
		if err := os.RemoveAll(m.file(entry.Name())); err != nil {
			return fmt.Errorf("removing what machine %s left: %w", m.name, err)
		}
	}
	m.mu.Lock()
	off := m.live == nil
	m.mu.Unlock()
	if off {
		for _, path := range m.sockets() {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("removing a socket of machine %s: %w", m.name, err)
			}
		}
	}
	return nil
}

// collect removes the base images that no machine lies over and no job is about to.
func (s *Machines) collect() error {
	var inUse []string
	for _, m := range s.all() {
		r := m.known()
		if r.Disk.Base != "" {
			inUse = append(inUse, r.Disk.Base)
		}
		if r.Job != nil && r.Job.Base != "" {
			inUse = append(inUse, r.Job.Base)
		}
	}
	slices.Sort(inUse)
	if err := s.config.Images.Collect(slices.Compact(inUse)); err != nil {
		return fmt.Errorf("removing images that are not used: %w", err)
	}
	return nil
}

// Close ends what the set does beside its callers, and gives its folder back. The machines go on.
func (s *Machines) Close() error {
	s.stop()
	s.beside.Wait()
	return s.lock.Release()
}

// now is the time of what is kept: without a monotonic reading, as it will be read back.
func now() time.Time { return time.Now().UTC().Round(0) }
