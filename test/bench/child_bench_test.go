//go:build bench

package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
)

// childEnv holds the options of a test binary that is to be something else than the tests.
const childEnv = "STARGATE_BENCH_CHILD"

// childOptions of a process of its own: the controller, or a calculation whose memory is its own.
type childOptions struct {
	// Kubeconfig, or APIServer where it is reached in the clear.
	Kubeconfig, APIServer string
	// Namespace that is looked after, with the Fleet of the same name; System is the controller's own.
	Namespace, System string
	Health, Notices   string
	// Sum to do instead, so many Times: forecast or plan, of so many servers.
	Sum            string
	Servers, Times int
}

// child is the other process.
func child(text string) int {
	var options childOptions
	err := json.Unmarshal([]byte(text), &options)
	if err == nil {
		if options.Sum != "" {
			err = sum(options)
		} else {
			err = control(options)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the child ended:", err)
		return 1
	}
	return 0
}

// control is what `stargate run` is.
func control(options childOptions) error {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	api := &rest.Config{Host: options.APIServer}
	kinds, err := config.CRDs()
	if err == nil && options.Kubeconfig != "" {
		api, err = clientcmd.BuildConfigFromFlags("", options.Kubeconfig)
	}
	if err != nil {
		return err
	}
	return engine.Run(ctx, engine.Options{
		RESTConfig: api, Namespaces: []string{options.Namespace}, Fleets: []string{options.Namespace}, Kinds: kinds,
		LeaderElectionNamespace: options.System, NoticeAddress: options.Notices, HealthAddress: options.Health,
		Workers: concurrency, Logger: logr.Discard(),
	})
}

// process that runs beside the tests.
type process struct {
	testing.TB
	cmd    *exec.Cmd
	output bytes.Buffer // read once it has ended
	ended  chan error
}

// launch another process. It dies with this one, whatever that dies of.
func launch(tb testing.TB, options childOptions) *process {
	tb.Helper()
	text, err := json.Marshal(options)
	if err != nil {
		tb.Fatal(err)
	}
	p := &process{TB: tb, cmd: exec.Command(os.Args[0]), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The death signal is sent when the thread that forked ends, so that thread stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.ended <- p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		tb.Fatal("starting a process:", err)
	}
	return p
}

// wait until it has ended by itself.
func (p *process) wait() {
	p.Helper()
	if err := <-p.ended; err != nil {
		p.Fatalf("%v: %s", err, p.output.String())
	}
}

// stop a controller.
func (p *process) stop() {
	p.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.Error(err)
	}
	p.wait()
}

// cpu is how many seconds it has computed so far, as the kernel counts them.
func (p *process) cpu() float64 {
	p.Helper()
	const ticks, user, system = 100, 11, 12 // a second; fields after the name
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.Fatalf("the process has ended: %v", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	total := 0.0
	for _, at := range []int{user, system} {
		n, err := strconv.ParseFloat(fields[at], 64)
		if err != nil {
			p.Fatal(err)
		}
		total += n / ticks
	}
	return total
}

// rest waits until it has computed next to nothing for two seconds.
func (p *process) rest() {
	p.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for calm, before := 0, p.cpu(); calm < 2; {
		if time.Now().After(deadline) {
			p.Fatal("the controller did not come to rest within ten minutes")
		}
		<-tick.C
		now := p.cpu()
		calm++
		if now-before > 0.05 {
			calm = 0
		}
		before = now
	}
}
