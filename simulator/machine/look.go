package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"stargate.io/stargate/simulator/health"
	"stargate.io/stargate/simulator/qemu"
)

const (
	// statusPatience is how long a monitor may take to say how its machine is, and reachPatience a guest to answer.
	statusPatience = 2 * time.Second
	reachPatience  = time.Second
	// firmwareBytes is more than firmware and boot loader write to a console.
	firmwareBytes = 4 << 10
	// keptConsole is what stays of a console's log that got too long.
	keptConsole = 1 << 20
)

// sight is what was last seen of a running machine.
type sight struct {
	state       string
	console     int64
	lastConsole time.Time
	lastReached time.Time
	firstMissed time.Time
}

// look at a running machine: its state, its console, and whether it answers. One look at a time; the second of two that
// come together sees what the first saw.
func (m *machine) look(ctx context.Context) {
	if !m.looking.TryLock() {
		return
	}
	defer m.looking.Unlock()
	m.mu.Lock()
	l, seen, server := m.live, m.sight, m.record.Server
	m.mu.Unlock()
	if l == nil {
		return
	}
	seen.state = l.state(ctx)
	if size := m.consoleSize(); size != seen.console {
		seen.console, seen.lastConsole = size, time.Now()
	}
	if seen.console-l.consoleAt > firmwareBytes {
		l.spoke.Store(true)
	}
	within, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	switch reached := server.IPv4 != "" && m.set.config.Network.Reach(within, server.IPv4); {
	case reached:
		seen.lastReached, seen.firstMissed = time.Now(), time.Time{}
	case seen.firstMissed.IsZero():
		seen.firstMissed = time.Now()
	}
	m.mu.Lock()
	if m.live == l {
		m.sight = seen
	}
	m.mu.Unlock()
	if err := m.trimConsole(seen.console); err != nil {
		m.set.config.Log.Warn("trimming a console's log", "machine", m.name, "error", err)
	}
}

// state of the machine as QEMU has it; empty where it does not answer.
func (l *live) state(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	state := ""
	err := l.ask(ctx, func(q *qemu.Monitor) (err error) {
		state, err = q.Status(ctx)
		return err
	})
	if err != nil {
		return ""
	}
	return state
}

// snapshot of a machine for its health.
func (m *machine) snapshot() health.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, l, seen := m.record, m.live, m.sight
	s := health.Snapshot{
		Wanted: r.Wanted, Job: m.claim, Quarantined: r.Quarantined, Running: l != nil, State: seen.state,
		Accelerator: r.Accelerator, Started: r.Started, LastConsole: seen.lastConsole, Heard: r.Heard,
		LastReached: seen.lastReached, FirstMissed: seen.firstMissed, Boots: r.Boots, Resets: r.Resets, Restarts: r.Restarts,
		FreeMiB: m.set.config.Host.FreeMiB(),
	}
	if s.Job == "" && r.Job != nil {
		s.Job = r.Job.ID // it was interrupted, and whoever gave it comes back for it
	}
	if l != nil {
		_, s.LastReport = l.reported()
		s.Output = l.spoke.Load()
		// A simulator that comes back gives a machine the time that a started one gets to be heard.
		if l.started.After(s.Started) {
			s.Started = l.started
		}
	}
	return s
}

// trimConsole drops the beginning of a console's log that got too long. QEMU appends, so it goes on at the new end.
func (m *machine) trimConsole(size int64) error {
	if size <= m.set.config.Limits.ConsoleMiB<<20 {
		return nil
	}
	from, err := os.Open(m.console())
	if err != nil {
		return fmt.Errorf("opening it: %w", err)
	}
	defer func() { _ = from.Close() }() // only read
	if _, err := from.Seek(size-keptConsole, io.SeekStart); err != nil {
		return fmt.Errorf("going to its end: %w", err)
	}
	to, err := os.OpenFile(m.console()+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keeping its end: %w", err)
	}
	_, err = io.Copy(to, io.LimitReader(from, keptConsole))
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Truncate(m.console(), 0)
	}
	if err != nil {
		return fmt.Errorf("keeping its end: %w", err)
	}
	return nil
}
