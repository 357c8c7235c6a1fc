package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/health"
	"stargate.io/stargate/simulator/qemu"
)

// watch looks at every machine again and again, until the set is closed.
func (s *Machines) watch(ctx context.Context) {
	tick := time.NewTicker(s.config.Limits.Look)
	defer tick.Stop()
	for {
		for _, m := range s.all() {
			s.beside.Go(func() { s.tend(ctx, m) })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tend looks at a machine, judges it, and does what the verdict says. What is done about a machine's health is done by
// one at a time, and never beside a job.
func (s *Machines) tend(ctx context.Context, m *machine) {
	m.look(ctx)
	verdict := m.judge()
	if verdict.Action == health.Nothing {
		return
	}
	claimed, err := s.take(m.name, "its recovery", false)
	if err != nil || claimed != m {
		return // somebody was quicker; what they leave is judged at the next look
	}
	defer s.give(m)
	if m.claimed().Action != verdict.Action {
		return // a job has come and gone between the look and the claim
	}
	err = m.treat(ctx, verdict)
	if err != nil && ctx.Err() == nil {
		s.config.Log.Error("recovering a machine", "machine", m.name, "error", err)
	}
	m.mu.Lock()
	m.trouble = err
	m.mu.Unlock()
}

// claimed gives the verdict on a machine on which nobody works but whoever asks.
func (m *machine) claimed() health.Verdict {
	snapshot := m.snapshot()
	snapshot.Job = ""
	if job := m.known().Job; job != nil {
		snapshot.Job = job.ID
	}
	return health.Decide(snapshot, m.set.config.Health, time.Now())
}

// judge a machine, and note its condition.
func (m *machine) judge() health.Verdict {
	snapshot := m.snapshot()
	verdict := health.Decide(snapshot, m.set.config.Health, time.Now())
	m.mu.Lock()
	defer m.mu.Unlock()
	h := simulator.Health{Condition: verdict.Condition, Message: verdict.Message}
	if verdict.Action != health.Nothing && m.trouble != nil {
		h.Message += "; the last try went wrong: " + m.trouble.Error()
	}
	// Its time moves only when the condition does.
	if h.Since = m.health.Since; h.Condition != m.health.Condition || h.Since.IsZero() {
		h.Since = now()
	}
	m.health = h
	return verdict
}

// treat a machine: first it is written down that it is done, then it is done.
func (m *machine) treat(ctx context.Context, verdict health.Verdict) error {
	if verdict.Action == health.TurnOff {
		return m.off(ctx)
	}
	m.set.config.Log.Warn("a machine is not well", "machine", m.name, "condition", verdict.Condition, "message", verdict.Message)
	switch verdict.Action {
	case health.Restart, health.RestartTCG:
		if err := m.roomAgain(); err != nil {
			return err
		}
		err := m.change(func(r *record) {
			r.Restarts = lastOf(append(r.Restarts, now()), maxBoots)
			if verdict.Action == health.RestartTCG {
				r.NoKVM = verdict.Message
			}
		})
		if err != nil {
			return err
		}
		m.set.config.Passing("health:intended")
		return m.restart(ctx)
	case health.Continue:
		m.mu.Lock()
		l := m.live
		m.mu.Unlock()
		if l == nil {
			return nil // it ended meanwhile, which the next look sees
		}
		return l.ask(ctx, func(q *qemu.Monitor) error { return q.Cont(ctx) })
	case health.Quarantine:
		if err := m.change(func(r *record) { r.Quarantined = verdict.Message }); err != nil {
			return err
		}
		return m.kill(ctx)
	case health.Nothing, health.TurnOff:
	}
	return nil
}

// off ends what is left of a machine that is to be off, or that shut itself down, which is kept first.
func (m *machine) off(ctx context.Context) error {
	if known := m.known(); known.Wanted && known.Quarantined == "" {
		m.set.config.Log.Info("the guest shut itself down", "machine", m.name)
		if err := m.change(func(r *record) { r.Wanted = false }); err != nil {
			return err
		}
		m.set.config.Passing("off:intended")
	}
	return m.kill(ctx)
}

// roomAgain refuses to start a machine that is off where the host has no room for it any more. It is no try that counts.
func (m *machine) roomAgain() error {
	if m.running() {
		return nil // its room is its own
	}
	r := m.known()
	accelerator, _ := m.set.config.Host.Accelerator()
	if r.NoKVM != "" {
		accelerator = qemu.TCG
	}
	return m.set.config.Host.Room(r.Size, accelerator)
}

// Hurt does a fault to a machine on demand: "kill" its process, "hang" it so that nothing of it answers, or "cut" it off
// its network. What is done about it is left to its health, unless it is quicker to "mend" it: what hangs goes on, and the
// cable is put back.
func (s *Machines) Hurt(ctx context.Context, name, kind string) error {
	s.mu.Lock()
	m := s.byName[name]
	s.mu.Unlock()
	if m == nil {
		return fmt.Errorf("machine %.80q: %w", name, errNone)
	}
	m.mu.Lock()
	l := m.live
	m.mu.Unlock()
	if l == nil {
		return fmt.Errorf("machine %s is off: there is nothing to %s", name, kind)
	}
	if kind == "mend" {
		s.config.Log.Info("faults are mended", "machine", name)
		return errors.Join(l.process.Thaw(), s.config.Network.Mend(ctx, name))
	}
	deed, known := map[string]func() error{
		"kill": func() error { return l.process.Kill(ctx) },
		"hang": func() error { return l.process.Freeze() },
		"cut":  func() error { return s.config.Network.Cut(ctx, name) },
	}[kind]
	if !known {
		return fmt.Errorf("fault %.40q is none of kill, hang, cut and mend", kind)
	}
	if err := m.change(func(r *record) { r.Faults = lastOf(append(r.Faults, Fault{kind, now()}), maxFaults) }); err != nil {
		return err
	}
	s.config.Log.Info("a fault on demand", "machine", name, "fault", kind)
	return deed()
}
