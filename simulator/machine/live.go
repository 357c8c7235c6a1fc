package machine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/digitalocean/go-qemu/qmp"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/guest"
	"stargate.io/stargate/simulator/health"
	"stargate.io/stargate/simulator/qemu"
)

// again is how long a connection to a machine that was lost is not made again.
const again = 500 * time.Millisecond

// monitorPatience is how long a monitor that is being connected to is waited for.
const monitorPatience = 3 * time.Second

// errNoMonitor says that a machine's monitor is not connected to, which is so for a moment after its start, and for as
// long as its process is stopped.
var errNoMonitor = errors.New("QEMU's monitor does not answer")

// live is a process of a machine, and what comes from it.
type live struct {
	process     qemu.Identity
	accelerator string
	started     time.Time // or adopted
	// consoleAt is how long the console's log was at the start.
	consoleAt int64
	// ended is closed when the process is gone.
	ended chan struct{}

	mu      sync.Mutex
	monitor *qemu.Monitor
	report  guest.Report
	at      time.Time // of the report; zero for none
	// off: the guest shut itself down.
	off bool
}

// reported gives the last report, and when it came.
func (l *live) reported() (guest.Report, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report, l.at
}

// ask does something by the machine's monitor, which a machine that was just started or adopted takes a moment to have.
// Errors: errNoMonitor; qemu.ErrGone; what does not go well.
func (l *live) ask(ctx context.Context, what func(*qemu.Monitor) error) error {
	ctx, cancel := context.WithTimeout(ctx, monitorPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		l.mu.Lock()
		monitor := l.monitor
		l.mu.Unlock()
		if monitor != nil {
			return what(monitor)
		}
		select {
		case <-l.ended:
			return qemu.ErrGone
		case <-ctx.Done():
			return errNoMonitor
		case <-tick.C:
		}
	}
}

func (l *live) gone() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// attach begins to listen to a process, until it ends or the set is closed.
func (m *machine) attach(l *live) {
	l.ended = make(chan struct{})
	m.mu.Lock()
	m.live = l
	m.sight = sight{}
	m.mu.Unlock()
	ctx, stop := context.WithCancel(m.set.ctx)
	m.set.beside.Go(func() {
		defer stop()
		if err := l.process.Wait(ctx); err != nil {
			return // the set is closed; the machine goes on
		}
		m.detach(l)
	})
	m.set.beside.Go(func() {
		repeat(ctx, func() { m.monitor(ctx, l) })
	})
	m.set.beside.Go(func() {
		repeat(ctx, func() {
			// What ended it is seen by the next try, or by the end of the process.
			_ = qemu.Reports(ctx, m.socket("rpt"), func(line []byte) { m.heard(l, line) })
		})
	})
}

// repeat something until ctx ends, with a pause.
func repeat(ctx context.Context, what func()) {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for ctx.Err() == nil {
		what()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// detach a process that is gone. A machine that shut itself down is off, unless somebody works on it and knows better.
func (m *machine) detach(l *live) {
	m.mu.Lock()
	if m.live == l {
		m.live = nil
	}
	l.mu.Lock()
	selfMade := l.off && m.claim == "" && m.record.Job == nil
	l.mu.Unlock()
	m.mu.Unlock()
	close(l.ended)
	if !selfMade {
		return
	}
	m.set.config.Log.Info("the guest shut itself down", "machine", m.name)
	if err := m.change(func(r *record) { r.Wanted = false }); err != nil {
		m.set.config.Log.Error("a machine that shut itself down will be started again", "machine", m.name, "error", err)
	}
}

// monitor connects to the machine's monitor, and stays until the connection ends.
func (m *machine) monitor(ctx context.Context, l *live) {
	monitor, err := qemu.Dial(ctx, m.socket("qmp"))
	if err != nil {
		return // tried again; the looks at it say that it does not answer
	}
	defer func() { _ = monitor.Close() }() // the machine goes on
	l.mu.Lock()
	l.monitor = monitor
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.monitor = nil
		l.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case event, open := <-monitor.Events():
			if !open {
				return
			}
			m.happened(ctx, l, monitor, event)
		}
	}
}

// happened takes note of an event. Commands are given beside, since the answer comes the way of the events.
func (m *machine) happened(ctx context.Context, l *live, monitor *qemu.Monitor, event qmp.Event) {
	switch event.Event {
	case qemu.EventShutdown:
		if event.Data["reason"] == "guest-shutdown" {
			l.mu.Lock()
			l.off = true
			l.mu.Unlock()
		}
	case qemu.EventReset:
		if m.known().Boot.Override == simulator.BootOnce {
			m.set.beside.Go(func() { m.bootedOnce(ctx, monitor) })
		}
		if event.Data["guest"] == true {
			m.resets()
		}
	case qemu.EventPanicked:
		m.set.config.Log.Warn("the guest's kernel panicked", "machine", m.name)
	}
}

// resets counts one more that the guest made itself.
func (m *machine) resets() {
	if err := m.change(func(r *record) { r.Resets = lastOf(append(r.Resets, now()), maxBoots) }); err != nil {
		m.set.config.Log.Error("keeping that a guest reset itself", "machine", m.name, "error", err)
	}
}

// bootedOnce sets the boot order back after the one boot that it was for.
func (m *machine) bootedOnce(ctx context.Context, monitor *qemu.Monitor) {
	err := monitor.BootFirst(ctx, qemu.DeviceDisk)
	if err == nil {
		err = m.change(func(r *record) { r.Boot.Source, r.Boot.Override = simulator.BootNone, simulator.BootDisabled })
	}
	if err != nil {
		m.set.config.Log.Error("setting the boot order back", "machine", m.name, "error", err)
	}
}

// heard takes a line of the guest. What is no report is nothing.
func (m *machine) heard(l *live, line []byte) {
	report, err := guest.Parse(line)
	if err != nil {
		return
	}
	l.mu.Lock()
	l.report, l.at = report, time.Now()
	l.mu.Unlock()
	ended := report.CloudInit != guest.Running
	known := m.known()
	boots := known.Boots
	switch {
	case ended:
		boots = nil
	case len(boots) == 0 || boots[len(boots)-1].ID != report.Boot:
		boots = append(boots[:len(boots):len(boots)], health.Boot{ID: report.Boot, At: now()})
	}
	if known.Heard && len(boots) == len(known.Boots) && !(ended && len(known.Resets) > 0) {
		return
	}
	err = m.change(func(r *record) {
		r.Heard, r.Boots = true, lastOf(boots, maxBoots)
		if ended {
			r.Resets = nil
		}
	})
	if err != nil {
		m.set.config.Log.Error("keeping what a guest reported", "machine", m.name, "error", err)
	}
}

// maxBoots are kept, which is more than make a loop.
const maxBoots = 20

// lastOf gives the last of a list.
func lastOf[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// forget what the guest said before it was reset.
func (l *live) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = time.Time{}
}
