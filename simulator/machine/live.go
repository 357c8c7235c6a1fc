package machine

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/time/rate"

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

// errShutDown says that there is nobody in a machine any more who could be told something.
var errShutDown = errors.New("the guest has shut down")

// live is a process of a machine, and what comes from it.
type live struct {
	process     qemu.Identity
	accelerator string
	started     time.Time // or adopted
	// consoleAt is how long the console's log was at the start.
	consoleAt int64
	// ended is closed when the process is gone.
	ended chan struct{}
	// keeping bounds how often what the guest reports is written down: it may report as fast as it likes.
	keeping *rate.Limiter
	// spoke: more than firmware and boot loader write has been seen on its console.
	spoke atomic.Bool

	mu      sync.Mutex
	monitor *qemu.Monitor
	report  guest.Report
	at      time.Time // of the report; zero for none
	// off: the guest shut itself down.
	off bool
	// reset is when the machine was reset last; zero for never.
	reset time.Time
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

// powerdown tells the guest to shut down.
// Errors: errNoMonitor; qemu.ErrGone; errShutDown for one that has done so by itself.
func (l *live) powerdown(ctx context.Context) error {
	return l.ask(ctx, func(q *qemu.Monitor) error {
		if state, err := q.Status(ctx); err != nil || state == qemu.StateShutdown {
			return cmp.Or(err, errShutDown)
		}
		return q.Powerdown(ctx)
	})
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
	l.ended, l.keeping = make(chan struct{}), rate.NewLimiter(rate.Every(time.Second), maxBoots)
	m.mu.Lock()
	m.live = l
	m.sight = sight{}
	m.mu.Unlock()
	ctx, stop := context.WithCancel(m.set.ctx)
	m.set.beside.Go(func() {
		defer stop()
		gone := false
		repeat(ctx, func() bool {
			gone = l.process.Wait(ctx) == nil // else it is waited for again, or the set is closed and the machine goes on
			return gone
		})
		if gone {
			m.detach(l)
		}
	})
	m.set.beside.Go(func() {
		repeat(ctx, func() bool { m.monitor(ctx, l); return false })
	})
	m.set.beside.Go(func() {
		repeat(ctx, func() bool {
			// What ended it is seen by the next try, or by the end of the process.
			_ = qemu.Reports(ctx, m.socket("rpt"), func(line []byte) { m.heard(l, line) })
			return false
		})
	})
}

// repeat something until it is done or ctx ends, with a pause.
func repeat(ctx context.Context, done func() bool) {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for ctx.Err() == nil && !done() {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// detach a process that is gone. A machine that shut itself down is off, unless somebody works on it and knows better: one
// that an earlier simulator started ends by itself then.
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
	m.set.beside.Go(func() { m.order(ctx, monitor) })
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
			m.set.beside.Go(func() { m.shutItselfDown(ctx) })
		}
	case qemu.EventReset:
		l.mu.Lock()
		l.reset = time.Now()
		l.mu.Unlock()
		if r := m.known(); r.Boot.Override == simulator.BootOnce && !r.BootUsed {
			m.set.beside.Go(func() { m.bootedOnce(ctx, l, monitor) })
		}
		if event.Data["guest"] == true {
			m.resets()
		}
	case qemu.EventPanicked:
		m.set.config.Log.Warn("the guest's kernel panicked", "machine", m.name)
	}
}

// shutItselfDown ends what is left of a machine whose guest did. Whoever works on it waits for just that; otherwise it is
// judged, and off.
func (m *machine) shutItselfDown(ctx context.Context) {
	m.mu.Lock()
	busy := m.claim != ""
	m.mu.Unlock()
	if !busy {
		m.set.tend(ctx, m)
		return
	}
	if err := m.kill(ctx); err != nil && ctx.Err() == nil {
		m.set.config.Log.Error("ending a machine that shut itself down", "machine", m.name, "error", err)
	}
}

// resets counts one more that the guest made itself. Firmware resets a machine some times more after a reset of ours, and
// one that gets nowhere does so many times a second: what comes soon after a start or a reset that counted is part of it.
func (m *machine) resets() {
	known := m.known()
	last := known.Started
	if n := len(known.Resets); n > 0 && known.Resets[n-1].After(last) {
		last = known.Resets[n-1]
	}
	if now().Sub(last) < m.set.config.Limits.Reset {
		return
	}
	if err := m.change(func(r *record) { r.Resets = lastOf(append(r.Resets, now()), maxBoots) }); err != nil {
		m.set.config.Log.Error("keeping that a guest reset itself", "machine", m.name, "error", err)
	}
}

// bootedOnce sets the boot order back after the one start that it was for. That it was is kept at once; the order stays
// until the firmware has taken it, which resets the machine once more by itself before it looks (SeaBIOS, at all resets
// but the one at power on).
func (m *machine) bootedOnce(ctx context.Context, l *live, monitor *qemu.Monitor) {
	if err := m.change(func(r *record) { r.BootUsed = r.Boot.Override == simulator.BootOnce }); err != nil {
		m.set.config.Log.Error("a boot source that was for one start is kept", "machine", m.name, "error", err)
		return
	}
	for {
		l.mu.Lock()
		quiet := m.set.config.Limits.Reset - time.Since(l.reset)
		l.mu.Unlock()
		if quiet <= 0 {
			break
		}
		timer := time.NewTimer(quiet)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return // whoever connects to the machine next sets it
		}
	}
	m.order(ctx, monitor)
}

// order tells a machine what to try first from its next reset on, as its record has it. One that was started from something
// else once learns so that it was, whoever started it; a source that is yet to be used was told when it was set.
func (m *machine) order(ctx context.Context, monitor *qemu.Monitor) {
	r := m.known()
	if r.Boot.Override == simulator.BootOnce && !r.BootUsed {
		return
	}
	device := cmp.Or(deviceOf(r.Boot.Source), qemu.DeviceDisk)
	if r.BootUsed {
		device = qemu.DeviceDisk
	}
	var refusal *qemu.Refusal
	err := monitor.BootFirst(ctx, device)
	if errors.As(err, &refusal) {
		err = nil // it need not have the device
	}
	if err == nil && r.BootUsed {
		err = m.change(func(r *record) {
			if r.BootUsed {
				r.Boot.Source, r.Boot.Override, r.BootUsed = simulator.BootNone, simulator.BootDisabled, false
			}
		})
	}
	if err != nil && !errors.Is(err, qemu.ErrGone) && ctx.Err() == nil {
		m.set.config.Log.Error("setting the boot order", "machine", m.name, "error", err)
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
	if !l.keeping.Allow() {
		return // the next report says it again
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
