package qemu

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"stargate.io/stargate/simulator/account"
)

// maxLogTail bounds what of QEMU's own log is repeated in an error.
const maxLogTail = 1 << 10

// Start a machine as a process of its own session, which nobody's end ends with it, and of a user of its own. It returns
// once its monitor answers.
// Errors: the Spec cannot be; a file of it cannot be opened; there is no such program; there is no user id left, or
// /dev/kvm is closed to it; the process ended, and what it said; ctx ended, and the process was killed.
func Start(ctx context.Context, s Spec) (Identity, error) {
	user, err := s.RunAs.Take()
	if err != nil {
		return Identity{}, fmt.Errorf("starting machine %s: %w", s.Name, err)
	}
	defer user.Release() // its process is seen from now on, or is none
	cmd, err := s.command(user)
	if err != nil {
		return Identity{}, fmt.Errorf("starting machine %s: %w", s.Name, err)
	}
	if err := s.launch(cmd); err != nil {
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

// command of a machine, which has no file yet.
func (s Spec) command(user account.Account) (*exec.Cmd, error) {
	argv, err := Argv(s)
	if err != nil {
		return nil, err
	}
	var groups []uint32
	if s.Accelerator == KVM {
		if groups, err = s.RunAs.Device(kvmDevice); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec // Argv is what is run
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: user.Credential(groups...)}
	return cmd, nil
}

// kvmDevice is what QEMU opens for KVM.
const kvmDevice = "/dev/kvm"

// launch a command with its files. None of them stays open here: a socket that nobody listens on any more says that the
// process is gone, and a tap is one's at a time.
func (s Spec) launch(cmd *exec.Cmd) (err error) {
	log, err := os.OpenFile(s.Files.Log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("opening QEMU's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd.Stdout, cmd.Stderr = log, log
	defer func() {
		for _, file := range cmd.ExtraFiles {
			_ = file.Close() // the process has its own
		}
	}()
	for _, h := range s.handed() {
		file, err := h.open(h.path)
		if err != nil {
			return fmt.Errorf("opening the %s: %w", h.what, err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	return cmd.Start()
}

// settle waits for the process to answer on its monitor, or to end.
func settle(ctx context.Context, s Spec, process *os.Process, ended <-chan struct{}) (Identity, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if p, err := identify(process.Pid); err == nil && answers(ctx, s.Files.QMP) {
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

// answers tells whether a monitor does. It listened before its process began, so that to connect says nothing.
func answers(ctx context.Context, path string) bool {
	monitor, err := Dial(ctx, path)
	if err != nil {
		return false
	}
	_ = monitor.Close() // it was only asked
	return true
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
