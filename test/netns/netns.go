// Package netns gives a test binary a network namespace of its own: bridges, taps and rules that its tests make are in
// there, and a slip in one of them cannot touch the host's network.
//
// In: a TestMain. Out: the exit code of its tests, run in a child process that has the namespace, with a loopback; run
// as they are where nobody may make one, and then each test says that it needs root.
package netns

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// insideEnv is set in the process that has the namespace.
const insideEnv = "NETNS_TEST_INSIDE"

// Inside tells whether this is the process that has the namespace.
func Inside() bool { return os.Getenv(insideEnv) != "" }

// Main runs the tests and gives the code to exit with.
func Main(m *testing.M) int {
	if os.Geteuid() != 0 {
		return m.Run()
	}
	if Inside() {
		if err := loopback(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Env = append(os.Environ(), insideEnv+"=yes")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the child dies with the thread that made it
	if err := child.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "making a network namespace, without which tests are skipped:", err)
		return m.Run()
	}
	_ = child.Wait() // its exit code says it
	return child.ProcessState.ExitCode()
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
