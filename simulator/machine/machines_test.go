package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

func TestALife(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l := newLot(t)
	s := l.open()
	var told []simulator.Progress
	result, err := s.Do(t.Context(), repave("j1", "web-1", "1.0"), func(p simulator.Progress) { told = append(told, p) })
	if err != nil {
		t.Fatal(err)
	}
	if result.Untouched || !result.Facts.On || result.Facts.OSVersion != "1.0" || result.Facts.ProfileHash != "hash-1.0" {
		t.Errorf("a repave ends with %+v", result)
	}
	for i, p := range told[1:] {
		if p.Percent < told[i].Percent || share[p.Stage] < share[told[i].Stage] {
			t.Errorf("progress goes back: %v", told)
		}
	}
	if last := told[len(told)-1]; last.Stage != simulator.StageDone || last.Percent != 100 || told[0].Stage != simulator.StageImage {
		t.Errorf("progress: %v", told)
	}
	l.mustBe(whole("web-1", 1))

	first, _ := s.Get("web-1")
	if again := done(t, s, repave("j1", "web-1", "1.0")); again.Facts.OSVersion != "1.0" || l.images.overlays.Load() != 1 {
		t.Errorf("the same job again: %+v, %d disks made", again, l.images.overlays.Load())
	}
	needless := repave("j2", "web-1", "1.0")
	needless.OnlyIfNeeded = true
	if result := done(t, s, needless); !result.Unchanged || !result.Untouched {
		t.Errorf("a repave that is not needed: %+v", result)
	}
	if now, _ := s.Get("web-1"); now.PID != first.PID {
		t.Error("the machine was started again for nothing")
	}

	done(t, s, repave("j3", "web-1", "2.0"))
	l.mustBe(whole("web-1", 2))
	done(t, s, act("j4", "web-1", simulator.Reboot))
	if result := done(t, s, act("j5", "web-1", simulator.PowerOn)); !result.Unchanged {
		t.Errorf("a machine that is on is turned on: %+v", result)
	}
	if result := done(t, s, act("j6", "web-1", simulator.PowerOff)); result.Facts.On || result.Untouched {
		t.Errorf("off: %+v", result)
	}
	is(t, s, "web-1", "off", func(st simulator.Status) bool { return st.Health.Condition == simulator.Off && st.PID == 0 })
	done(t, s, act("j7", "web-1", simulator.PowerOn))
	if result := done(t, s, act("j8", "web-1", simulator.Inspect)); !result.Facts.On || result.Facts.Hardware["memoryMiB"] != "64" {
		t.Errorf("facts: %+v", result)
	}
	is(t, s, "web-1", "healthy", func(st simulator.Status) bool { return st.Health.Condition == simulator.Healthy })
	for range 2 { // deleting none is done
		if err := s.Delete(t.Context(), "web-1"); err != nil {
			t.Fatal(err)
		}
	}
	l.mustBe(nil)
	if _, made := s.Get("web-1"); made || len(s.List()) != 0 {
		t.Error("it was deleted, and is there")
	}
	closed(t, s)
}

func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	with := func(job simulator.Job, change func(*simulator.Job)) simulator.Job {
		change(&job)
		return job
	}
	before := l.left()
	for name, test := range map[string]struct {
		job    simulator.Job
		reason simulator.Reason
	}{
		"a name that climbs":   {repave("x", "../etc", "1"), simulator.ReasonBadRequest},
		"a name with a slash":  {repave("x", "a/b", "1"), simulator.ReasonBadRequest},
		"a name with a comma":  {repave("x", "a,b", "1"), simulator.ReasonBadRequest},
		"a name without end":   {repave("x", strings.Repeat("a", 300), "1"), simulator.ReasonBadRequest},
		"a name of two lines":  {repave("x", "a\nb", "1"), simulator.ReasonBadRequest},
		"no MAC":               {with(repave("x", "web-2", "1"), func(j *simulator.Job) { j.Server.MAC = "" }), simulator.ReasonBadRequest},
		"a group's MAC":        {with(repave("x", "web-2", "1"), func(j *simulator.Job) { j.Server.MAC = "01:00:5e:00:00:01" }), simulator.ReasonBadRequest},
		"an IPv6 address":      {with(repave("x", "web-2", "1"), func(j *simulator.Job) { j.Server.IPv4 = "fe80::1" }), simulator.ReasonBadRequest},
		"another's MAC":        {with(repave("x", "web-2", "1"), func(j *simulator.Job) { j.Server.MAC = serverOf("web-1").MAC }), simulator.ReasonIdentityMismatch},
		"another's address":    {with(repave("x", "web-2", "1"), func(j *simulator.Job) { j.Server.IPv4 = serverOf("web-1").IPv4 }), simulator.ReasonBadRequest},
		"another UID":          {with(repave("x", "web-1", "1"), func(j *simulator.Job) { j.Server.UID = "other" }), simulator.ReasonIdentityMismatch},
		"another MAC":          {with(repave("x", "web-1", "1"), func(j *simulator.Job) { j.Server.MAC = "52:54:00:00:00:ff" }), simulator.ReasonIdentityMismatch},
		"more than there is":   {repave("x", "giant", "1"), simulator.ReasonHostLimits},
		"an action of no kind": {act("x", "web-1", "explode"), simulator.ReasonBadRequest},
		"a repave of nothing":  {act("x", "web-1", simulator.Repave), simulator.ReasonBadRequest},
		"nothing to turn on":   {act("x", "web-2", simulator.PowerOn), simulator.ReasonBadRequest},
		"no id":                {repave("", "web-2", "1"), simulator.ReasonBadRequest},
	} {
		result, err := s.Do(t.Context(), test.job, nil)
		var refused *simulator.Refused
		if !errors.As(err, &refused) || refused.Reason != test.reason || !result.Untouched {
			t.Errorf("%s: %v, %+v", name, err, result)
		}
		if test.job.Action != simulator.PowerOn {
			if err := s.Check(test.job); !errors.As(err, &refused) || refused.Reason != test.reason {
				t.Errorf("%s is not refused early: %v", name, err)
			}
		}
	}
	bad := repave("j2", "web-2", "1.0")
	bad.Image.URL = "file:///bad"
	if result, err := s.Do(t.Context(), bad, nil); err == nil || !result.Untouched {
		t.Errorf("a bad image: %v, %+v", err, result)
	}
	bad.Server, bad.ID = serverOf("web-1"), "j3"
	if result, err := s.Do(t.Context(), bad, nil); err == nil || !result.Untouched || !result.Facts.On {
		t.Errorf("a bad image for a machine that runs: %v, %+v", err, result)
	}
	if got := l.left(); strings.Join(got, "\n") != strings.Join(before, "\n") {
		t.Errorf("there is %v, and was %v", got, before)
	}
	if len(s.List()) != 1 {
		t.Errorf("machines: %+v", s.List())
	}
}

func TestOneJobAtATime(t *testing.T) {
	l := newLot(t)
	l.images.hold = make(chan struct{})
	s := l.open()
	ended := make(chan error)
	go func() {
		_, err := s.Do(context.Background(), repave("j1", "web-1", "1.0"), nil)
		ended <- err
	}()
	is(t, s, "web-1", "busy", func(st simulator.Status) bool { return st.Job == "j1" })
	var refused *simulator.Refused
	if _, err := s.Do(t.Context(), repave("j2", "web-1", "1.0"), nil); !errors.As(err, &refused) || refused.Reason != simulator.ReasonServerBusy {
		t.Errorf("a second job: %v", err)
	}
	if err := s.Delete(t.Context(), "web-1"); !errors.As(err, &refused) || refused.Reason != simulator.ReasonServerBusy {
		t.Errorf("a deletion in a job: %v", err)
	}
	if err := s.Reset(t.Context(), "web-1", simulator.ResetOn); !errors.As(err, &refused) || refused.Reason != simulator.ReasonServerBusy {
		t.Errorf("a reset in a job: %v", err)
	}
	close(l.images.hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestACancelledJob(t *testing.T) {
	l := newLot(t)
	var pass atomic.Pointer[func(string)] // the watcher passes points, too, at any time
	l.passing = func(p string) {
		if f := pass.Load(); f != nil {
			(*f)(p)
		}
	}
	s := l.open()
	at := func(point string, job simulator.Job) (simulator.Result, error) {
		ctx, cancel := context.WithCancelCause(t.Context())
		f := func(p string) {
			if p == point {
				cancel(simulator.ErrCancelled)
			}
		}
		pass.Store(&f)
		defer pass.Store(nil)
		return s.Do(ctx, job, nil)
	}
	result, err := at("image:done", repave("j1", "web-1", "1.0"))
	if !errors.Is(err, simulator.ErrCancelled) || !result.Untouched {
		t.Errorf("before anything was touched: %+v, %v", result, err)
	}
	l.mustBe(nil)
	done(t, s, repave("j2", "web-1", "1.0"))
	result, err = at("image:done", repave("j3", "web-1", "2.0"))
	if !errors.Is(err, simulator.ErrCancelled) || !result.Untouched || !result.Facts.On {
		t.Errorf("before the machine was touched: %+v, %v", result, err)
	}
	l.mustBe(whole("web-1", 1))
	result, err = at("disk:done", repave("j4", "web-1", "2.0"))
	if !errors.Is(err, simulator.ErrCancelled) || result.Untouched || result.Facts.On || result.Facts.OSVersion != "" {
		t.Errorf("after its disk was gone: %+v, %v", result, err)
	}
	is(t, s, "web-1", "off", func(st simulator.Status) bool { return st.Health.Condition == simulator.Off })
	if result, err := s.Do(t.Context(), repave("j4", "web-1", "2.0"), nil); !errors.Is(err, simulator.ErrCancelled) || result.Untouched {
		t.Errorf("the cancelled job again: %+v, %v", result, err)
	}
	done(t, s, repave("j5", "web-1", "2.0"))
	l.mustBe(whole("web-1", 3))
}

func TestAdoption(t *testing.T) {
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	done(t, s, repave("j2", "db-7", "1.0"))
	before, _ := s.Get("web-1")
	closed(t, s)

	// What no state file names: a process, a folder, a disk, a file that was being written.
	stray := (&machine{paths: paths{dir: l.dir, name: "stray"}, set: s}).spec(record{
		UUID: newUUID(), Size: simulator.Size{CPUs: 1, MemoryMiB: 64}, Disk: disk{File: "disk-1.qcow2"},
	}, qemu.TCG, "")
	if err := os.MkdirAll(filepath.Join(l.dir, "machines", "stray"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := qemuImg(t.Context(), "create", "-q", "-f", "qcow2", stray.Disk.Path, "64M"); err != nil {
		t.Fatal(err)
	}
	if _, err := qemu.Start(t.Context(), stray); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"disk-9.qcow2", "seed-9.iso", ".machine.json-1.new"} {
		if err := os.WriteFile(filepath.Join(l.dir, "machines", "web-1", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, _ := qemu.Running(filepath.Join(l.dir, "machines", "db-7"))
	if len(db) != 1 {
		t.Fatalf("db-7 does not go on without the simulator: %v", db)
	}
	if err := db[0].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}

	s = l.open()
	after, _ := s.Get("web-1")
	if after.PID != before.PID || after.PID == 0 || after.Facts.OSVersion != "1.0" {
		t.Errorf("it is %+v, and was %+v", after, before)
	}
	is(t, s, "web-1", "healthy", func(st simulator.Status) bool { return st.Health.Condition == simulator.Healthy })
	is(t, s, "db-7", "started again", func(st simulator.Status) bool { return st.PID > 0 && st.PID != db[0].PID })
	if err := s.Delete(t.Context(), "db-7"); err != nil {
		t.Fatal(err)
	}
	l.mustBe(whole("web-1", 1))
	if _, err := Open(t.Context(), l.config()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second owner of the folder: %v", err)
	}
}

func TestADamagedRecordIsLeftAlone(t *testing.T) {
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	closed(t, s)
	path := filepath.Join(l.dir, "machines", "web-1", "machine.json")
	if err := os.WriteFile(path, []byte(`{"kind":"stargate-machine","version":1,"state":{"serv`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), l.config()); err == nil || !strings.Contains(err.Error(), "web-1") {
		t.Fatalf("a damaged record: %v", err)
	}
	l.mustBe(whole("web-1", 1))
}

func TestAFolderThatIsTooLongIsRefused(t *testing.T) {
	config := newLot(t).config()
	config.Dir = "/" + strings.Repeat("a", MaxDir)
	if _, err := Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a long folder: %v", err)
	}
}

// TestMachinesStartSideBySide: one whose QEMU takes long to come up keeps no other from starting, and the room that it was
// given is told as taken.
func TestMachinesStartSideBySide(t *testing.T) {
	l := newLot(t)
	tapped, goOn := make(chan struct{}), make(chan struct{})
	var watched atomic.Bool
	l.passing = func(point string) {
		if watched.Load() && point == "start:tapped" {
			tapped <- struct{}{}
			<-goOn
		}
	}
	s := l.open()
	done(t, s, repave("j0", "web-0", "1.0")) // which makes the image
	watched.Store(true)
	var jobs sync.WaitGroup
	defer jobs.Wait()
	defer close(goOn)
	for _, name := range []string{"web-1", "web-2"} {
		jobs.Go(func() {
			if _, err := s.Do(context.Background(), repave("j-"+name, name, "1.0"), nil); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range 2 {
		select {
		case <-tapped:
		case <-time.After(20 * time.Second):
			watched.Store(false)
			t.Fatalf("%d machines get to their start while none has come up", n)
		}
	}
	for _, status := range s.List() {
		if name := status.Server.Name; status.Starting != (name != "web-0") || status.Starting == (status.PID > 0) {
			t.Errorf("while two are started, %s is %+v", name, status)
		}
	}
}

// TestAnEndThatCannotBeKept leaves the job to be done again, and the machine to nobody else until it was.
func TestAnEndThatCannotBeKept(t *testing.T) {
	l := newLot(t)
	record := filepath.Join(l.dir, "machines", "web-1", recordName)
	var broken atomic.Bool
	l.passing = func(point string) {
		if point != "await:done" || !broken.CompareAndSwap(false, true) {
			return
		}
		// A folder is in the way of what is written.
		if err := errors.Join(os.Rename(record, record+".aside"), os.MkdirAll(filepath.Join(record, "x"), 0o700)); err != nil {
			t.Error(err)
		}
	}
	s := l.open()
	job := repave("j1", "web-1", "1.0")
	if _, err := s.Do(t.Context(), job, nil); !errors.Is(err, simulator.ErrUnkept) {
		t.Fatalf("a job whose end cannot be kept: %v", err)
	}
	if err := errors.Join(os.RemoveAll(record), os.Rename(record+".aside", record)); err != nil {
		t.Fatal(err)
	}
	done(t, s, job)
	if known := s.byName["web-1"].known(); known.Job != nil || known.Last.ID != "j1" || known.Generation != 1 {
		t.Errorf("done again, it is %+v", known)
	}
	done(t, s, act("j2", "web-1", simulator.PowerOff))
}
