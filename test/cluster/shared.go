package cluster

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

var shared struct {
	sync.Mutex
	ready   bool // Main is in charge and will stop it
	opts    []Option
	cluster *Cluster
	err     error
}

// Main runs the tests of a package, then stops the cluster that they shared,
// and ends the process with the tests' exit code. The options are for that cluster.
func Main(m *testing.M, opts ...Option) {
	shared.Lock()
	shared.ready, shared.opts = true, opts
	shared.Unlock()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil {
		if err := shared.cluster.process.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the shared control plane:", err)
			code = max(code, 1)
		}
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.after != nil {
		if err := o.after(); err != nil {
			fmt.Fprintln(os.Stderr, "after the tests:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Shared returns the one cluster of this test process, starting it at the first
// call. Tests that share it keep to namespaces of their own and to cluster-wide
// objects with names of their own. It needs Main.
func Shared(tb testing.TB) *Cluster {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.ready {
		tb.Fatal("cluster.Shared needs: func TestMain(m *testing.M) { cluster.Main(m) }")
	}
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start(shared.opts...)
	}
	if shared.err != nil {
		tb.Fatalf("starting the shared control plane: %v", shared.err)
	}
	return shared.cluster
}
