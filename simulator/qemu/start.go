package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxLogTail bounds what of QEMU's own log is repeated in an error.
const maxLogTail = 1 << 10

// Start a machine as a process of its own session, which nobody's end ends with it. It returns once its monitor can be
// connected to.
// Errors: the Spec cannot be; there is no such program; the process ended, and what it said; ctx ended, and the process
// was killed.
func Start(ctx context.Context, s Spec) (Identity, error) {
	argv, err := Argv(s)
	if err != nil {
		return Identity{}, err
	}
	for _, socket := range []string{s.Files.QMP, s.Files.Console, s.Files.Guest} {
		// QEMU would take it over; a stale one would look as if the machine were up.
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return Identity{}, fmt.Errorf("starting machine %s: removing a socket: %w", s.Name, err)
		}
	}
	log, err := os.OpenFile(s.Files.Log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return Identity{}, fmt.Errorf("starting machine %s: opening QEMU's log: %w", s.Name, err)
	}
	defer func() { _ = log.Close() }()        // the process has its own
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec // Argv is what is run
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Identity{}, fmt.Errorf("starting machine %s: %w", s.Name, err)
	}
	// Somebody has to wait for a child, or it stays in the process table.
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return settle(ctx, s, cmd.Process, ended)
}

// settle waits for the process to have its monitor, or to end.
func settle(ctx context.Context, s Spec, process *os.Process, ended <-chan struct{}) (Identity, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if p, err := identify(process.Pid); err == nil && listens(s.Files.QMP) {
			return p.Identity, nil
		}
		select {
		case <-ended:
			return Identity{}, fmt.Errorf("starting machine %s: QEMU ended: %s", s.Name, said(s.Files.Log))
		case <-ctx.Done():
			_ = process.Kill() // it fails only where the process has ended
			<-ended
			return Identity{}, fmt.Errorf("starting machine %s: %w", s.Name, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// listens tells whether a socket is there.
func listens(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}

// said gives the end of a log, on one line.
func said(path string) string {
	file, err := os.Open(path) //nolint:gosec // of the state folder
	if err != nil {
		return "and its log cannot be read: " + err.Error()
	}
	defer func() { _ = file.Close() }() // only read
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-maxLogTail), io.SeekStart) // else it is read from where it is
	}
	text, err := io.ReadAll(io.LimitReader(file, maxLogTail))
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return "and said nothing"
	}
	return strings.Join(strings.Fields(string(text)), " ")
}
