package stage

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one on record. A pid alone may be somebody else's by now; with the time it began it is not.
type process struct {
	pid   int
	began string // in clock ticks since boot
	name  string
}

func (p process) String() string { return fmt.Sprintf("%d %s %s", p.pid, p.began, p.name) }

func parseProcess(line string) (process, bool) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return process{}, false
	}
	pid, err := strconv.Atoi(fields[0])
	return process{pid: pid, began: fields[1], name: fields[2]}, err == nil && pid > 1
}

// alive tells whether the process runs and is the one on record.
func (p process) alive() bool { return p.began != "" && beganAt(p.pid) == p.began }

// end asks it to stop, and after a while makes it.
func (p process) end() error {
	for _, try := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{syscall.SIGTERM, 20 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if err := syscall.Kill(p.pid, try.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending %s, pid %d: %w", p.name, p.pid, err)
		}
		for deadline := time.Now().Add(try.patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if !p.alive() {
				return nil
			}
		}
	}
	return fmt.Errorf("ending %s, pid %d: it does not end", p.name, p.pid)
}

// beganAt is when a process began; empty where there is none, or it only waits to be collected.
func beganAt(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything; what follows it may not.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}
