package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// The states of a machine that somebody decides on, as QEMU names them.
const (
	StateRunning       = "running"
	StatePaused        = "paused" // told to stop
	StateIOError       = "io-error"
	StateInternalError = "internal-error"
	StatePanicked      = "guest-panicked"
	StateShutdown      = "shutdown"
)

// The events that somebody decides on.
const (
	EventShutdown = "SHUTDOWN"
	EventReset    = "RESET"
	EventStop     = "STOP"
	EventPanicked = "GUEST_PANICKED"
)

// Status gives the machine's state: one of the states above, or another of QEMU's.
func (m *Monitor) Status(ctx context.Context) (string, error) {
	var status struct {
		Status string `json:"status"`
	}
	err := m.Run(ctx, "query-status", nil, &status)
	return status.Status, err
}

// Powerdown presses the power button: a guest that listens shuts down.
func (m *Monitor) Powerdown(ctx context.Context) error {
	return m.Run(ctx, "system_powerdown", nil, nil)
}

// Reset presses the reset button.
func (m *Monitor) Reset(ctx context.Context) error { return m.Run(ctx, "system_reset", nil, nil) }

// Quit ends the process, and with it the machine, at once. That it is gone before it could answer is no error.
func (m *Monitor) Quit(ctx context.Context) error {
	if err := m.Run(ctx, "quit", nil, nil); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return nil
}

// Stop the machine where it is; Cont lets it go on.
func (m *Monitor) Stop(ctx context.Context) error { return m.Run(ctx, "stop", nil, nil) }

// Cont lets a stopped machine go on, and one that stopped on an I/O error try again.
func (m *Monitor) Cont(ctx context.Context) error { return m.Run(ctx, "cont", nil, nil) }

// Insert puts an ISO into the machine's drive, in place of what is in it. It is handed over open: QEMU may not read it by
// its name.
func (m *Monitor) Insert(ctx context.Context, path string) error {
	if err := absolute(mediaNode, path); err != nil {
		return err
	}
	file, err := os.Open(path) //nolint:gosec // of the state folder, or of one that the operator gave
	if err != nil {
		return fmt.Errorf("opening the media: %w", err)
	}
	defer func() { _ = file.Close() }() // QEMU has its own
	var set struct {
		ID int `json:"fdset-id"`
	}
	if err := m.give(ctx, file, &set); err != nil {
		return err
	}
	err = m.Run(ctx, "blockdev-change-medium", map[string]any{
		"id": DeviceMedia, "filename": fdsets + strconv.Itoa(set.ID), "format": "raw", "read-only-mode": "read-only", "force": true,
	}, nil)
	// What the drive has open stays open; it goes with the drive's.
	if err = errors.Join(err, m.Run(ctx, "remove-fd", map[string]any{"fdset-id": set.ID}, nil)); err != nil {
		return err
	}
	return m.closeMedia(ctx)
}

// Eject empties the machine's drive.
func (m *Monitor) Eject(ctx context.Context) error {
	if err := m.Run(ctx, "eject", map[string]any{"id": DeviceMedia, "force": true}, nil); err != nil {
		return err
	}
	return m.closeMedia(ctx)
}

// closeMedia closes the ISO that the machine was started with, once it is out of the drive: QEMU keeps open what its
// arguments name. Any other is closed already.
func (m *Monitor) closeMedia(ctx context.Context) error {
	var refusal *Refusal
	for _, step := range []struct {
		command string
		of      map[string]any
	}{{"blockdev-del", map[string]any{"node-name": mediaNode}}, {"remove-fd", map[string]any{"fdset-id": mediaSet}}} {
		// It is refused where there is none.
		if err := m.Run(ctx, step.command, step.of, nil); err != nil && !errors.As(err, &refusal) {
			return err
		}
	}
	return nil
}

// bootPlaces are the places of the devices in the boot order while none of them is first.
var bootPlaces = []struct {
	device string
	place  int
}{{DeviceDisk, 10}, {DeviceMedia, 11}, {DeviceNIC, 12}}

// BootFirst makes a device the one that is tried first from the next reset on. The others follow in their order.
// Errors: *Refusal where there is no such device.
func (m *Monitor) BootFirst(ctx context.Context, device string) error {
	// QEMU refuses a place that is taken, so the first goes back before another becomes it.
	for _, one := range bootPlaces {
		if one.device == device {
			continue
		}
		err := m.place(ctx, one.device, one.place)
		var refusal *Refusal
		if err != nil && !errors.As(err, &refusal) { // a machine need not have all devices
			return err
		}
	}
	return m.place(ctx, device, 1)
}

// place a device. QEMU refuses the place that it has already, too.
func (m *Monitor) place(ctx context.Context, device string, index int) error {
	at, is := map[string]any{"path": "/machine/peripheral/" + device, "property": "bootindex"}, 0
	if err := m.Run(ctx, "qom-get", at, &is); err != nil || is == index {
		return err
	}
	at["value"] = index
	return m.Run(ctx, "qom-set", at, nil)
}
