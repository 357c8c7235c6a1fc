package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
)

// childEnv holds the options of a test binary that is to be the controller.
const childEnv = "STARGATE_FAULT_CHILD"

// childOptions of a controller process.
type childOptions struct {
	APIServer  string
	Namespaces []string
	// Lease makes it one of several replicas, of which one works at a time, with a lease of that
	// length in the first of Namespaces; zero for no election.
	Lease time.Duration
	// Fleets that it works, by name; none where it is empty. Its own namespace is another then, since a
	// fleet may hold nothing in that.
	Fleets []string
	// HookDeadline bounds one run of a hook; zero for the engine's own.
	HookDeadline time.Duration
}

// child is the controller process: what `stargate run` is, with options from the environment.
func child(text string) int {
	var options childOptions
	if err := json.Unmarshal([]byte(text), &options); err != nil {
		fmt.Fprintln(os.Stderr, "reading options:", err)
		return 2
	}
	logger := funcr.New(func(prefix, args string) { fmt.Fprintln(os.Stderr, prefix, args) }, funcr.Options{LogTimestamp: true, Verbosity: 1})
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var kinds []*unstructured.Unstructured
	own := options.Namespaces[0]
	if len(options.Fleets) > 0 {
		var err error
		own = "default"
		if kinds, err = config.CRDs(); err != nil {
			fmt.Fprintln(os.Stderr, "reading the kinds:", err)
			return 2
		}
	}
	err := engine.Run(ctx, engine.Options{
		Kinds: kinds, Fleets: options.Fleets, HookDeadline: options.HookDeadline,
		RESTConfig: &rest.Config{Host: options.APIServer}, Namespaces: options.Namespaces, Logger: logger,
		LeaderElect: options.Lease > 0, LeaderElectionNamespace: own,
		LeaseDuration: options.Lease, RenewDeadline: options.Lease * 2 / 3, RetryPeriod: options.Lease / 8,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "the controller ended:", err)
		if options.Lease > 0 && (strings.HasPrefix(err.Error(), "losing the lead") || strings.Contains(err.Error(), "leader election lost")) {
			return lostLead
		}
		return 1
	}
	return 0
}

// lostLead is what a replica ends with that could not keep its lease: on a busy machine it need not have
// been paused for that.
const lostLead = 4

// controller is a running child.
type controller struct {
	cmd    *exec.Cmd
	output tail
	ended  chan struct{}
	killed sync.Once
	// own tells that it ended by itself, and how.
	own error
}

// launch starts a controller. It dies with this process, whatever that dies of.
func launch(options childOptions) (*controller, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	c := &controller{cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The death signal is sent when the thread that forked ends, so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.own = c.cmd.Wait()
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting a controller: %w", err)
	}
	return c, nil
}

// kill ends the controller as a power cut would, and returns once it is gone.
// Errors: it had ended before, by itself, and not because another leads.
func (c *controller) kill() (err error) {
	c.killed.Do(func() {
		select {
		case <-c.ended:
			if c.cmd.ProcessState.ExitCode() == lostLead {
				return
			}
			err = fmt.Errorf("the controller had ended by itself: %w", c.own)
			return
		default:
		}
		_ = c.cmd.Process.Kill() // it fails only where the process is gone already
		<-c.ended
	})
	return err
}

// tail keeps the last of what is written to it, and whether anything in it speaks of a bug.
type tail struct {
	mu   sync.Mutex
	kept []byte
	bug  bool
}

// Write implements io.Writer.
func (t *tail) Write(part []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, part...)
	if len(t.kept) > 1<<16 {
		t.kept = t.kept[len(t.kept)-1<<15:]
	}
	for _, sign := range []string{"DATA RACE", "panic:", "Observed a panic", "no end after"} {
		t.bug = t.bug || strings.Contains(string(part), sign)
	}
	return len(part), nil
}

// text gives what is kept, and whether it speaks of a bug.
func (t *tail) text() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept), t.bug
}
