package server

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"gopkg.in/natefinch/lumberjack.v2"
	"k8s.io/klog/v2"
)

// openLog sends everything that Kubernetes and etcd log to one file, which is
// rotated: it may run for years on a small disk.
func openLog(o Options) (io.Writer, func(), error) {
	var w io.Writer = o.Stderr
	closeLog := func() {}
	if o.LogFile != "-" {
		// lumberjack makes missing folders and would only fail at the first line.
		f, err := os.OpenFile(o.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("opening log: %w", err)
		}
		f.Close()
		path, err := filepath.Abs(o.LogFile)
		if err != nil {
			return nil, nil, fmt.Errorf("opening log: %w", err)
		}
		l := &lumberjack.Logger{Filename: path, MaxSize: 20 /* MB */, MaxBackups: 2}
		w, closeLog = l, func() { l.Close() }
	}
	fs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(fs)
	for name, value := range map[string]string{
		"logtostderr":     "false",
		"stderrthreshold": "FATAL", // what ends the process is worth a line on the terminal
		"one_output":      "true",
		"v":               strconv.Itoa(o.Verbosity),
	} {
		if err := fs.Set(name, value); err != nil {
			return nil, nil, fmt.Errorf("setting up log: %w", err)
		}
	}
	klog.SetOutput(w)
	return w, func() { klog.Flush(); closeLog() }, nil
}
