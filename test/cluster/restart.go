package cluster

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Restart ends the control plane as a power cut would, does something with its folder of data while
// it is down (a backup is a copy of it), and starts it again at the same address. It returns when the
// kinds are served and the policies in force again, which is some time after the server calls itself ready.
func (c *Cluster) Restart(tb testing.TB, whileDown func(data string) error) {
	tb.Helper()
	if err := c.process.restart(whileDown); err != nil {
		tb.Fatalf("restarting the control plane: %v", err)
	}
	if c.process.url != c.URL {
		tb.Fatalf("restarting the control plane: it is at %s now, and was at %s", c.process.url, c.URL)
	}
	if err := c.settle(); err != nil {
		tb.Fatalf("restarting the control plane: %v", err)
	}
}

func (p *process) restart(whileDown func(data string) error) error {
	select {
	case err := <-p.ended:
		return fmt.Errorf("it had ended by itself: %w\n%s", err, p.lastWords())
	default:
	}
	p.cmd.Process.Kill()
	<-p.ended
	if err := whileDown(filepath.Join(p.dir, "data")); err != nil {
		return err
	}
	p.cmd = exec.Command(p.cmd.Path, p.cmd.Args[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return p.run()
}
