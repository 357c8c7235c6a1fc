package worker

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/policies/hooks/wire"
)

// Of the memory that a script may have: what the collector keeps it under if it can, and where it is known that it
// cannot. Beyond that it would but collect, and come to the kernel's bound late. maxStack is what Lua's recursion in
// Go may take of it.
const (
	aimed    = 0.5
	hopeless = 0.65
	maxStack = 0.25
)

// descriptors that may be open: the pipes, and what the Go runtime waits with.
const descriptors = 16

// nice puts scripts behind the controller where they compete for a processor.
const nice = 5

// confine gives up what a script must not have. megabytes bounds the memory that it may take beyond what the
// program has at its start.
func confine(megabytes string) error {
	memory, err := strconv.ParseUint(megabytes, 10, 32)
	if err != nil {
		return fmt.Errorf("reading the bound on memory: %w", err)
	}
	memory <<= 20
	runtime.GOMAXPROCS(1)
	debug.SetTraceback("none")
	debug.SetMaxStack(int(float64(memory) * maxStack))
	debug.SetMemoryLimit(int64(float64(memory) * aimed))
	most = uint64(float64(memory) * hopeless)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, nice) // not worth a failure
	has, err := dataSize()
	if err != nil {
		return err
	}
	for _, bound := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"data", unix.RLIMIT_DATA, has + memory},
		{"core", unix.RLIMIT_CORE, 0},
		{"files' size", unix.RLIMIT_FSIZE, 0},
		{"open files", unix.RLIMIT_NOFILE, descriptors},
	} {
		if err := syscall.Setrlimit(bound.resource, &syscall.Rlimit{Cur: bound.value, Max: bound.value}); err != nil {
			return fmt.Errorf("bounding %s: %w", bound.name, err)
		}
	}
	return nil
}

// dataSize is what RLIMIT_DATA counts of this process now: heap arenas that are mapped and not used yet are in it.
func dataSize() (uint64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading the size of this process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmData:"); ok {
			kilobytes, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the size of this process: %w", err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, fmt.Errorf("reading the size of this process: /proc/self/status has no VmData")
}

// most memory that a run may come to, and how often that is looked at.
var most uint64

const everySoOften = 10 * time.Millisecond

// watchMemory ends this process when a run has too much of it; the function it gives ends the watch.
func watchMemory() (stop func()) {
	ticker, done := time.NewTicker(everySoOften), make(chan struct{})
	go func() {
		samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if metrics.Read(samples); samples[0].Value.Uint64()-samples[1].Value.Uint64() > most {
				os.Exit(wire.ExitMemory)
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
	}
}

// peak memory of this process, in bytes.
func peak() int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Maxrss << 10
}
