package machine

import (
	"context"
	"fmt"
	"os"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

// startPatience is how long QEMU may take to have its monitor.
const startPatience = 30 * time.Second

// start a machine from the disk that its record names. One that runs from it already is left running.
// Errors: *simulator.Refused where the host has no room for it.
func (m *machine) start(ctx context.Context) error {
	m.mu.Lock()
	r, running := m.record, m.live
	m.mu.Unlock()
	if running != nil && !running.gone() {
		return m.writeDown(running)
	}
	accelerator, _ := m.set.config.Host.Accelerator()
	if r.NoKVM != "" {
		accelerator = qemu.TCG
	}
	if err := m.takeRoom(r.Size, accelerator); err != nil {
		return err
	}
	defer m.giveRoom()
	tap, err := m.set.config.Network.Tap(ctx, r.Server)
	if err != nil {
		return fmt.Errorf("starting machine %s: %w", m.name, err)
	}
	m.set.config.Passing("start:tapped")
	consoleAt := m.consoleSize()
	within, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	process, err := qemu.Start(within, m.spec(r, accelerator, tap))
	if err != nil {
		return err
	}
	m.set.config.Passing("start:running")
	started := now()
	err = m.change(func(r *record) {
		r.Process, r.Started, r.Accelerator = &process, started, accelerator
		r.BootUsed = r.Boot.Override == simulator.BootOnce
	})
	// A process that could not be written down is known by its arguments.
	m.attach(&live{process: process, accelerator: accelerator, started: started, consoleAt: consoleAt})
	return err
}

// takeRoom on the host for a machine, until its process is there and takes it itself. It is given to one machine after the
// other, so that each is refused what the one before it was given; they start side by side.
// Errors: *simulator.Refused where there is none.
func (m *machine) takeRoom(size simulator.Size, accelerator string) error {
	m.set.room.Lock()
	defer m.set.room.Unlock()
	if err := m.set.config.Host.Room(size, accelerator); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.starting = accelerator
	return nil
}

func (m *machine) giveRoom() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.starting = ""
}

// writeDown a process that runs, unless it is: its starter may have been killed before it could.
func (m *machine) writeDown(l *live) error {
	if r := m.known(); r.Process != nil && *r.Process == l.process {
		return nil
	}
	return m.change(func(r *record) { r.Process, r.Started, r.Accelerator = &l.process, l.started, l.accelerator })
}

// spec of a machine as its record has it.
func (m *machine) spec(r record, accelerator, tap string) qemu.Spec {
	spec := qemu.Spec{
		Binary: m.set.config.Binary, Name: m.name, UUID: r.UUID, Accelerator: accelerator,
		CPUs: r.Size.CPUs, MemoryMiB: r.Size.MemoryMiB,
		Disk: qemu.Disk{Path: m.file(r.Disk.File), Format: "qcow2", Base: m.set.config.Images.Base(r.Disk.Base)}, MAC: r.Server.MAC, Tap: tap,
		BootFirst: deviceOf(r.Boot.Source), Files: m.files(), RunAs: m.set.config.RunAs,
	}
	if r.Disk.Seed != "" {
		spec.Seed = m.file(r.Disk.Seed)
	}
	if r.Medium != nil {
		spec.Media = r.Medium.Path
	}
	if r.Boot.Mode == simulator.BootUEFI {
		spec.Firmware = m.set.config.Firmware
	}
	if spec.BootFirst == qemu.DeviceNIC && tap == "" {
		spec.BootFirst = ""
	}
	return spec
}

func deviceOf(source simulator.BootSource) string {
	return map[simulator.BootSource]string{simulator.BootCd: qemu.DeviceMedia, simulator.BootPxe: qemu.DeviceNIC}[source]
}

// shutdown tells the guest to, and kills the machine when it has not by the limit. It returns once the process is gone.
func (m *machine) shutdown(ctx context.Context, limit time.Duration) error {
	m.mu.Lock()
	l := m.live
	m.mu.Unlock()
	if l == nil {
		return nil
	}
	// A machine that cannot be told, or has shut itself down, is killed.
	if err := l.powerdown(ctx); err == nil {
		within, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		select {
		case <-l.ended:
			return nil
		case <-within.Done():
		}
		if ctx.Err() != nil {
			return fmt.Errorf("shutting machine %s down: %w", m.name, context.Cause(ctx))
		}
	}
	return m.kill(ctx)
}

// killPatience is how long the kernel may take to end a process, which is long where its disk is slow.
const killPatience = 30 * time.Second

// kill ends a machine's process, and returns once it is gone.
func (m *machine) kill(ctx context.Context) error {
	m.mu.Lock()
	l := m.live
	m.mu.Unlock()
	if l == nil {
		return nil
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), killPatience)
	defer cancel()
	if err := l.process.Kill(within); err != nil {
		return fmt.Errorf("killing machine %s: %w", m.name, err)
	}
	select {
	case <-l.ended:
		return nil
	case <-within.Done():
		return fmt.Errorf("killing machine %s: %w", m.name, context.Cause(within))
	case <-m.set.ctx.Done():
		return fmt.Errorf("killing machine %s: %w", m.name, context.Cause(m.set.ctx))
	}
}

// consoleSize is how long a console's log is; zero for none.
func (m *machine) consoleSize() int64 {
	info, err := os.Stat(m.console())
	if err != nil {
		return 0
	}
	return info.Size()
}

// restart a machine for its health.
func (m *machine) restart(ctx context.Context) error {
	if err := m.kill(ctx); err != nil {
		return err
	}
	return m.start(ctx)
}

// running tells whether a machine has a process.
func (m *machine) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live != nil && !m.live.gone()
}
