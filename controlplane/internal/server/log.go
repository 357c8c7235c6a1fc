package server

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
	"gopkg.in/natefinch/lumberjack.v2"
	"k8s.io/klog/v2"
)

// openLog sends everything that Kubernetes and etcd log to one file, which is
// rotated: it may run for years on a small disk. terminal is where the process
// itself speaks.
func openLog(o Options) (logs io.Writer, terminal io.Writer, closeLog func(), err error) {
	if o.LogFile == "-" {
		return os.Stderr, os.Stderr, klog.Flush, setUpKlog(os.Stderr, o.Verbosity)
	}
	path, err := filepath.Abs(o.LogFile)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("opening log: %w", err)
	}
	if terminal, err = divertStderr(path); err != nil {
		return nil, nil, nil, fmt.Errorf("opening log: %w", err)
	}
	l := &lumberjack.Logger{Filename: path, MaxSize: 20 /* MB */, MaxBackups: 2}
	closeLog = func() {
		klog.Flush()
		l.Close()
	}
	return l, terminal, closeLog, setUpKlog(l, o.Verbosity)
}

// divertStderr has file descriptor 2 write to the file and returns the old one,
// to which os.Stderr and crashes still go. Some libraries, etcd's client among
// them, log to the descriptor with no way to ask them otherwise.
func divertStderr(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	terminal := os.NewFile(uintptr(fd), "stderr")
	if err := unix.Dup2(int(f.Fd()), 2); err != nil {
		return nil, err
	}
	os.Stderr = terminal
	return terminal, debug.SetCrashOutput(terminal, debug.CrashOptions{})
}

func setUpKlog(w io.Writer, verbosity int) error {
	fs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(fs)
	for name, value := range map[string]string{
		"logtostderr":     "false",
		"stderrthreshold": "FATAL", // what ends the process is worth a line on the terminal
		"one_output":      "true",
		"v":               strconv.Itoa(verbosity),
	} {
		if err := fs.Set(name, value); err != nil {
			return fmt.Errorf("setting up log: %w", err)
		}
	}
	klog.SetOutput(w)
	return nil
}
