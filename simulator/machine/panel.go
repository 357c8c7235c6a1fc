package machine

import (
	"context"
	"errors"
	"io/fs"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/guest"
	"stargate.io/stargate/simulator/qemu"
)

// Look implements bmc.Panels.
func (s *Machines) Look(name string) (simulator.Status, simulator.Front, bool) {
	status, made := s.Get(name)
	if !made {
		return status, simulator.Front{}, false
	}
	s.mu.Lock()
	m := s.byName[name]
	s.mu.Unlock()
	if m == nil {
		return status, simulator.Front{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.record
	return status, simulator.Front{UUID: r.UUID, Serial: name, Boot: r.Boot, Medium: r.Medium, Stage: m.stage()}, true
}

// stage that the running guest has come to. The caller holds the machine's lock.
func (m *machine) stage() simulator.Stage {
	if m.live == nil || !m.record.Heard && m.record.Job == nil {
		return ""
	}
	report, at := m.live.reported()
	switch {
	case at.IsZero():
		return simulator.StageBoot
	case report.CloudInit == guest.Running:
		return simulator.StageCloudInit
	default:
		return simulator.StageDone
	}
}

// aside claims a machine for what its management controller does to it, between jobs.
func (s *Machines) aside(name string) (*machine, error) {
	m, err := s.take(name, "its management controller", false)
	if errors.Is(err, errNone) {
		return nil, simulator.Refuse(simulator.ReasonBadRequest, "there is no machine %.80q", name)
	}
	if err != nil {
		return nil, err
	}
	if job := m.known().Job; job != nil {
		s.give(m)
		return nil, simulator.Refuse(simulator.ReasonServerBusy, "machine %s is busy with job %s: wait for it to end, or cancel it", name, job.ID)
	}
	return m, nil
}

// Reset implements bmc.Panels.
func (s *Machines) Reset(ctx context.Context, name string, kind simulator.Reset) error {
	m, err := s.aside(name)
	if err != nil {
		return err
	}
	defer s.give(m)
	s.config.Log.Info("a reset by the management controller", "machine", name, "kind", kind)
	switch kind {
	case simulator.ResetOn:
		return m.powerOn(ctx)
	case simulator.ResetForceOff:
		return m.powerOff(ctx)
	case simulator.ResetGracefulShutdown:
		return m.pressPower(ctx)
	case simulator.ResetGracefulRestart:
		if err := m.shutdown(ctx, s.config.Limits.Powerdown); err != nil {
			return err
		}
		return m.powerOn(ctx)
	case simulator.ResetForceRestart:
		return m.pressReset(ctx)
	case simulator.ResetPowerCycle:
		if err := m.powerOff(ctx); err != nil {
			return err
		}
		return m.powerOn(ctx)
	}
	return simulator.Refuse(simulator.ReasonBadRequest, "a simulated machine has no reset of kind %.40q", kind)
}

func (m *machine) powerOn(ctx context.Context) error {
	r := m.known()
	if r.Disk.File == "" {
		return simulator.Refuse(simulator.ReasonBadRequest, "machine %s has nothing to start from: repave it first", m.name)
	}
	if m.running() {
		return nil
	}
	if err := m.roomAgain(); err != nil {
		return err
	}
	err := m.change(func(r *record) {
		r.Wanted = true
		r.afresh()
	})
	if err != nil {
		return err
	}
	return m.start(ctx)
}

func (m *machine) powerOff(ctx context.Context) error {
	if err := m.change(func(r *record) { r.Wanted = false }); err != nil {
		return err
	}
	return m.kill(ctx)
}

// pressPower asks the guest to shut down. That it did is seen when its process ends.
func (m *machine) pressPower(ctx context.Context) error {
	m.mu.Lock()
	l := m.live
	m.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.ask(ctx, func(q *qemu.Monitor) error { return q.Powerdown(ctx) })
}

func (m *machine) pressReset(ctx context.Context) error {
	m.mu.Lock()
	l := m.live
	m.mu.Unlock()
	if l == nil {
		return m.powerOn(ctx)
	}
	err := m.change(func(r *record) {
		r.Started = now()
		r.afresh()
	})
	if err != nil {
		return err
	}
	if err := l.ask(ctx, func(q *qemu.Monitor) error { return q.Reset(ctx) }); err != nil {
		return m.restart(ctx)
	}
	l.forget()
	return nil
}

// SetBoot implements bmc.Panels. A running machine takes it at its next reset.
func (s *Machines) SetBoot(ctx context.Context, name string, boot simulator.Boot) error {
	m, err := s.aside(name)
	if err != nil {
		return err
	}
	defer s.give(m)
	if boot.Mode == simulator.BootUEFI && s.config.Firmware == "" {
		return simulator.Refuse(simulator.ReasonBadRequest, "machine %s starts by BIOS: the host has no UEFI firmware: install the package ovmf", name)
	}
	if boot.Override == simulator.BootDisabled {
		boot.Source = simulator.BootNone
	}
	if err := m.change(func(r *record) { r.Boot, r.BootUsed = boot, false }); err != nil {
		return err
	}
	return m.tellBoot(ctx, boot)
}

// tellBoot tells a running machine what it is to start from. One that does not answer learns it at its next start.
func (m *machine) tellBoot(ctx context.Context, boot simulator.Boot) error {
	m.mu.Lock()
	l := m.live
	m.mu.Unlock()
	if l == nil {
		return nil
	}
	device := deviceOf(boot.Source)
	if device == "" {
		device = qemu.DeviceDisk
	}
	err := l.ask(ctx, func(q *qemu.Monitor) error { return q.BootFirst(ctx, device) })
	var refusal *qemu.Refusal
	if errors.As(err, &refusal) {
		return simulator.Refuse(simulator.ReasonBadRequest, "machine %s cannot start from %s: %s", m.name, boot.Source, refusal.Desc)
	}
	if errors.Is(err, errNoMonitor) || errors.Is(err, qemu.ErrGone) {
		return nil
	}
	return err
}

// SetMedium implements bmc.Panels.
func (s *Machines) SetMedium(ctx context.Context, name string, medium *simulator.Medium) error {
	m, err := s.aside(name)
	if err != nil {
		return err
	}
	defer s.give(m)
	before := m.known().Medium
	if err := m.change(func(r *record) { r.Medium = medium }); err != nil {
		return err
	}
	m.mu.Lock()
	l := m.live
	m.mu.Unlock()
	if l == nil {
		return nil
	}
	err = l.ask(ctx, func(q *qemu.Monitor) error {
		if medium == nil {
			return q.Eject(ctx)
		}
		return q.Insert(ctx, medium.Path)
	})
	var refusal *qemu.Refusal
	var file *fs.PathError
	switch {
	case errors.Is(err, qemu.ErrGone):
		return nil // the next start has it
	case errors.As(err, &refusal), errors.As(err, &file), errors.Is(err, errNoMonitor):
		// The drive has what it had.
		return errors.Join(err, m.change(func(r *record) { r.Medium = before }))
	}
	return err // it may have been done, and the next start does it
}
