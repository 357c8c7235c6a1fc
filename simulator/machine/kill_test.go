package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

// childEnv holds what a test binary is to do that is to be a simulator which dies.
const childEnv = "STARGATE_MACHINE_CHILD"

// order is what a simulator does, and where it dies in it.
type order struct {
	Dir    string
	Job    *simulator.Job // nil for a deletion
	Delete string
	DiesAt string
}

func TestMain(m *testing.M) {
	text := os.Getenv(childEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, "reading the order:", err)
		os.Exit(2)
	}
	if err := o.carryOut(nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// carryOut an order in this process. Points are told to seen, or kill the process.
func (o order) carryOut(seen func(string)) error {
	l := lotAt(nil, o.Dir)
	l.passing = func(point string) {
		if point == o.DiesAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it comes
		}
		if seen != nil {
			seen(point)
		}
	}
	s, err := Open(context.Background(), l.config())
	if err != nil {
		return err
	}
	if o.Job == nil {
		err = s.Delete(context.Background(), o.Delete)
	} else {
		_, err = s.Do(context.Background(), *o.Job, nil)
	}
	if err != nil {
		return err
	}
	return s.Close()
}

// dies carries an order out in a process of its own, which is killed at its point; false where it did not come by. (Whether
// a machine is reset or killed and started depends on whether its monitor answers.)
func (o order) dies(t *testing.T) bool {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("it was to die at %s, and ended with %v: %s", o.DiesAt, err, out)
	}
	return true
}

// scene is one kind of work, on a machine that is or is not there before.
type scene struct {
	name   string
	there  bool // the machine is, on, of generation 1
	off    bool // and is turned off first
	job    *simulator.Job
	delete bool
	// generation of the disk afterwards; zero for no machine.
	generation int
	on         bool
	// points that are to be among those at which it dies.
	points []string
}

func scenes() []scene {
	first, second := repave("j1", "web-1", "1.0"), repave("j2", "web-1", "2.0")
	reboot, on, off := act("j3", "web-1", simulator.Reboot), act("j4", "web-1", simulator.PowerOn), act("j5", "web-1", simulator.PowerOff)
	steps := []string{"image:intended", "stop:intended", "disk:intended", "disk:made", "disk:done", "seed:done", "start:tapped", "start:running", "await:intended", "end:kept"}
	return []scene{
		{name: "create", job: &first, generation: 1, on: true, points: steps},
		{name: "repave", there: true, job: &second, generation: 2, on: true, points: steps},
		{name: "reboot", there: true, job: &reboot, generation: 1, on: true, points: []string{"tell:intended", "tell:done", "start:done", "await:done"}},
		{name: "power on", there: true, off: true, job: &on, generation: 1, on: true, points: []string{"start:tapped", "start:running"}},
		{name: "power off", there: true, job: &off, generation: 1, points: []string{"stop:intended", "stop:done"}},
		{name: "delete", there: true, delete: true, points: []string{"delete:intended", "delete:stopped", "delete:untapped", "delete:emptied"}},
	}
}

// TestKilledAtEveryStep: a simulator is killed at each point of each kind of work. The next one goes on with it, wipes
// nothing twice, and leaves nothing that no state file names.
func TestKilledAtEveryStep(t *testing.T) {
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			points := sc.observed(t)
			for _, want := range sc.points {
				if !slices.Contains(points, want) {
					t.Errorf("there is no point %s among %q", want, points)
				}
			}
			if testing.Short() {
				points = sc.points
			}
			for _, point := range points {
				t.Run(point, func(t *testing.T) { sc.killedAt(t, point) })
			}
		})
	}
}

func (sc scene) prepare(t *testing.T) (*lot, order) {
	l := newLot(t)
	if sc.there {
		s := l.open()
		done(t, s, repave("j1", "web-1", "1.0"))
		if sc.off {
			done(t, s, act("j0", "web-1", simulator.PowerOff))
		}
		closed(t, s)
	}
	o := order{Dir: l.dir, Job: sc.job}
	if sc.delete {
		o.Delete = "web-1"
	}
	return l, o
}

// observed gives the points that the work passes when nobody dies.
func (sc scene) observed(t *testing.T) []string {
	l, o := sc.prepare(t)
	var points []string
	if err := o.carryOut(func(point string) { points = append(points, point) }); err != nil {
		t.Fatal(err)
	}
	sc.judge(l)
	return points
}

// judge what is there at the end.
func (sc scene) judge(l *lot) {
	l.t.Helper()
	switch {
	case sc.generation == 0:
		l.mustBe(nil)
	case sc.on:
		l.mustBe(whole("web-1", sc.generation))
	default:
		got := l.left()
		want := slices.DeleteFunc(whole("web-1", sc.generation), func(name string) bool {
			return filepath.Dir(name) == "run" || name[:4] == "proc"
		})
		if !slices.Equal(slices.DeleteFunc(got, func(name string) bool { return filepath.Dir(name) == "run" }), want) {
			l.t.Errorf("there is %q, and is to be %q", got, want)
		}
	}
}

func (sc scene) killedAt(t *testing.T, point string) {
	l, o := sc.prepare(t)
	o.DiesAt = point
	if !o.dies(t) && slices.Contains(sc.points, point) {
		t.Errorf("it did not pass %s", point)
	}
	// A machine that was started from its new disk is not to lose it, nor to be started anew.
	disk := filepath.Join(l.dir, "machines", "web-1", diskName(max(sc.generation, 1)))
	inode, process := inodeOf(disk), processes(t, l)
	s := l.open()
	if sc.delete {
		if err := s.Delete(t.Context(), "web-1"); err != nil {
			t.Fatal(err)
		}
	} else if result := done(t, s, *sc.job); result.Facts.On != sc.on || result.Untouched {
		t.Errorf("done again, it ends with %+v", result)
	}
	started := slices.Contains([]string{"start:running", "start:done", "await:intended", "await:done", "end:kept"}, point)
	if started && sc.on && sc.job.Action != simulator.Reboot {
		if now := inodeOf(disk); now != inode {
			t.Errorf("the disk that the machine was started from was made anew: inode %d, then %d", inode, now)
		}
		if now := processes(t, l); !slices.Equal(now, process) {
			t.Errorf("the machine that was started was started again: %v, then %v", process, now)
		}
	}
	closed(t, s)
	sc.judge(l)
	// And whoever comes next finds nothing to do.
	closed(t, l.open())
	sc.judge(l)
}

func inodeOf(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	stat, _ := info.Sys().(*syscall.Stat_t)
	return stat.Ino
}

func processes(t *testing.T, l *lot) []int {
	t.Helper()
	found, err := qemu.Running(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range found {
		pids = append(pids, p.PID)
	}
	return pids
}
