package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options of the demo.
type Options struct {
	Out io.Writer
	// State is the folder whose subfolder demo is used; empty for .stargate.
	State string
	// Keep leaves everything running.
	Keep bool
	// Context of the user's kubeconfig to use in place of a control plane of the demo's own.
	Context string
	// Down ends what an earlier demo left, and does nothing else.
	Down bool
}

// patience is how long the servers may take. They need half a minute.
const patience = 5 * time.Minute

// demo is one run.
type demo struct {
	Options
	dir     string
	screen  *screen
	crew    *crew
	cluster *cluster
	sites   []*site
	repo    *repository
	step    int
	began   time.Time
	// attempts that were told of, by Operation; approved waves, by revision, group and name.
	attempts map[string]int
	approved map[string]bool
	// approvedCommit passed the guard.
	approvedCommit string
}

// Main runs the demo and gives the exit code.
func Main(ctx context.Context, options Options) int {
	// When make is killed, nobody waits for us any more: end as if interrupted.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
	d := &demo{Options: options, screen: newScreen(options.Out), began: time.Now(), attempts: map[string]int{}, approved: map[string]bool{}}
	err := d.run(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		d.screen.say("interrupted; nothing is left running")
		return 130
	default:
		d.screen.say("FAIL  %v", err)
		return 1
	}
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.State == "" {
		d.State = ".stargate"
	}
	if d.dir, err = filepath.Abs(filepath.Join(d.State, "demo")); err != nil {
		return fmt.Errorf("finding the state folder: %w", err)
	}
	if d.crew, err = takeStage(ctx, d.dir, d.Keep, d.screen); err != nil {
		return err
	}
	defer d.crew.leave()
	if d.Down {
		return d.crew.remove()
	}
	defer func() { err = errors.Join(err, d.end(err)) }()
	for _, step := range []func(context.Context) error{
		d.checkTools, d.build, d.startCluster, d.startWorld, d.provision, d.change, d.hold,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.judge(ctx)
}

// told prints a step when it is done.
func (d *demo) told(name, format string, args ...any) {
	d.step++
	d.screen.say("[%d/7] %-10s %s", d.step, name, fmt.Sprintf(format, args...))
}

func (d *demo) checkTools(ctx context.Context) error {
	version, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return fmt.Errorf("asking go for its version: %w: install Go, https://go.dev/doc/install", err)
	}
	if _, err := exec.LookPath("git"); err != nil {
		return fmt.Errorf("looking for git: %w: install it, https://git-scm.com", err)
	}
	kubectl := "kubectl"
	if _, err := exec.LookPath("kubectl"); err != nil {
		kubectl = "no kubectl: you will want it to look around"
	}
	d.told("tools", "%s, git, %s", strings.TrimSpace(string(version)), kubectl)
	return nil
}

func (d *demo) build(ctx context.Context) error {
	began := time.Now()
	build := exec.CommandContext(ctx, "make", "build")
	build.Stdout, build.Stderr = d.Out, d.Out // "first time: compiles an API server, some minutes"
	build.Cancel = func() error { return build.Process.Signal(os.Interrupt) }
	if err := build.Run(); err != nil {
		return fmt.Errorf("building: %w", err)
	}
	d.told("build", "bin/stargate, bin/mockdc, bin/controlplane   %s", since(began))
	return nil
}

// end leaves things as they were found, or says how to.
func (d *demo) end(failed error) error {
	if d.Keep && failed == nil {
		d.screen.say("\n%s\nTo end it: make demo-down", d.lookAround())
		return nil
	}
	var err error
	if d.cluster != nil {
		err = d.cluster.clean()
	}
	err = errors.Join(err, d.crew.stop())
	if failed != nil {
		d.screen.say("logs: %s", d.dir)
		return err
	}
	d.screen.say("Nothing is left running. To look around next time: KEEP=1 make demo")
	return errors.Join(err, d.crew.remove())
}

func (d *demo) lookAround() string {
	return "Look around:\n  " + strings.Join([]string{
		d.cluster.howToReach(),
		"kubectl get fleets,servergroups,servers -A",
		"bin/stargate tree fleet " + fleetName,
		"bin/stargate rollout status " + changed + " -n " + west,
		"git clone " + d.repo.url + " fleet   # change profiles/" + changed + ".yaml, push, and then:",
		"bin/stargate fleet reconcile " + fleetName + " --wait && bin/stargate rollout status --fleet " + fleetName + " --watch",
	}, "\n  ")
}

func since(t time.Time) string {
	return fmt.Sprintf("%.0f s", time.Since(t).Seconds())
}
