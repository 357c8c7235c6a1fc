package cli

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// The tests run in a child process with a network namespace of its own: a simulator that runs makes bridges and rules.
const (
	insideEnv = "SIMULATOR_CLI_INSIDE"
	// asEnv makes the test binary the simulator itself.
	asEnv = "SIMULATOR_CLI_AS"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asEnv) != "":
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	case os.Geteuid() != 0:
		os.Exit(m.Run()) // each test says what it needs
	case os.Getenv(insideEnv) != "":
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
