package simulator_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	"github.com/vishvananda/netlink"
	ctrl "sigs.k8s.io/controller-runtime"
)

// insideEnv is set in the process that has the namespace.
const insideEnv = "SIMULATOR_TEST_INSIDE"

// TestMain runs the tests in a child process with a network namespace of its own.
func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	if os.Geteuid() != 0 {
		os.Exit(m.Run()) // each test says what it needs
	}
	if os.Getenv(insideEnv) != "" {
		if err := loopback(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Env = append(os.Environ(), insideEnv+"=yes")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the child dies with the thread that made it
	if err := child.Run(); child.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "making a network namespace:", err)
		os.Exit(1)
	}
	os.Exit(child.ProcessState.ExitCode())
}

func loopback() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bringing the loopback up: %w", err)
	}
	return nil
}
