package machine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

// sick gives a machine that is on, and the set that looks after it.
func sick(t *testing.T) (*lot, *Machines, simulator.Status) {
	t.Helper()
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	return l, s, is(t, s, "web-1", "healthy", func(st simulator.Status) bool { return st.Health.Condition == simulator.Healthy })
}

func healthyAgain(t *testing.T, s *Machines, before simulator.Status) simulator.Status {
	t.Helper()
	return is(t, s, "web-1", "healthy again, as another process", func(st simulator.Status) bool {
		return st.Health.Condition == simulator.Healthy && st.PID > 0 && st.PID != before.PID
	})
}

func TestAKilledMachineIsStartedAgain(t *testing.T) {
	l, s, before := sick(t)
	if err := s.Hurt(t.Context(), "web-1", "kill"); err != nil {
		t.Fatal(err)
	}
	healthyAgain(t, s, before)
	closed(t, s)
	l.mustBe(whole("web-1", 1))
}

// TestAMachineWaitsForRoom: one that died where the host has no room for it any more is started once there is, and has
// lost none of its tries.
func TestAMachineWaitsForRoom(t *testing.T) {
	l, s, before := sick(t)
	l.host.taken.Store(true)
	if err := s.Hurt(t.Context(), "web-1", "kill"); err != nil {
		t.Fatal(err)
	}
	is(t, s, "web-1", "dead, for want of room", func(st simulator.Status) bool {
		return st.Health.Condition == simulator.Dead && strings.Contains(st.Health.Message, "the host has no")
	})
	l.host.taken.Store(false)
	healthyAgain(t, s, before)
	if tries := len(s.byName["web-1"].known().Restarts); tries != 1 {
		t.Errorf("it has used %d tries", tries)
	}
}

// TestWhatIsRefusedTooLate: a repave for which the host has no room any more when it comes to start has touched its
// machine, and does not say otherwise.
func TestWhatIsRefusedTooLate(t *testing.T) {
	l := newLot(t)
	l.passing = func(point string) { l.host.taken.Store(point == "seed:done" || l.host.taken.Load()) }
	s := l.open()
	result, err := s.Do(t.Context(), repave("j1", "web-1", "1.0"), nil)
	var refused *simulator.Refused
	if err == nil || errors.As(err, &refused) || result.Untouched || !strings.Contains(err.Error(), "the host has no") {
		t.Errorf("it ends with %v, %+v", err, result)
	}
	l.host.taken.Store(false)
	is(t, s, "web-1", "on, since it is to be", func(st simulator.Status) bool { return st.PID != 0 })
}

func TestAFrozenMachineIsStartedAgain(t *testing.T) {
	l, s, before := sick(t)
	l.freeze(s)
	healthyAgain(t, s, before)
}

func TestAFrozenMachineIsStartedAgainByTheNextSimulator(t *testing.T) {
	l, s, before := sick(t)
	l.freeze(s)
	closed(t, s)
	s = l.open()
	healthyAgain(t, s, before)
}

// freeze the machine, which then answers on no network until it is another process.
func (l *lot) freeze(s *Machines) {
	l.t.Helper()
	if err := s.Hurt(l.t.Context(), "web-1", "hang"); err != nil {
		l.t.Fatal(err)
	}
	l.network.away.Store(true)
}

func TestAMachineThatLostItsNetworkIsStartedAgain(t *testing.T) {
	_, s, before := sick(t)
	if err := s.Hurt(t.Context(), "web-1", "cut"); err != nil {
		t.Fatal(err)
	}
	healthyAgain(t, s, before)
}

// TestMendedInTime: a machine that hangs on demand, or was cut off, is as it was when that is mended before its health acts.
func TestMendedInTime(t *testing.T) {
	l := newLot(t)
	config := l.config()
	config.Health.Silent, config.Health.Unreachable = time.Minute, time.Minute
	config.Health.Starting = 0
	s, err := Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, s) })
	done(t, s, repave("j1", "web-1", "1.0"))
	for _, fault := range []string{"hang", "cut"} {
		before := is(t, s, "web-1", "healthy", func(st simulator.Status) bool { return st.Health.Condition == simulator.Healthy })
		if err := s.Hurt(t.Context(), "web-1", fault); err != nil {
			t.Fatal(err)
		}
		if err := s.Hurt(t.Context(), "web-1", "mend"); err != nil {
			t.Fatal(err)
		}
		m := s.byName["web-1"]
		m.look(t.Context())
		if state, away := m.live.state(t.Context()), l.network.away.Load(); state != qemu.StateRunning || away || m.live.process.PID != before.PID {
			t.Errorf("mended after %q it is %q, away %v, process %d; it was %d", fault, state, away, m.live.process.PID, before.PID)
		}
	}
}

func TestAMachineThatSomebodyStoppedGoesOn(t *testing.T) {
	_, s, before := sick(t)
	m := s.byName["web-1"]
	if err := m.live.ask(t.Context(), func(q *qemu.Monitor) error { return q.Stop(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	is(t, s, "web-1", "going on", func(st simulator.Status) bool {
		return st.PID == before.PID && st.Health.Condition == simulator.Healthy && m.live.state(t.Context()) == qemu.StateRunning
	})
}

func TestAMachineThatDiesAgainAndAgainIsGivenUpOn(t *testing.T) {
	l, s, before := sick(t)
	for range 3 {
		if err := s.Hurt(t.Context(), "web-1", "kill"); err != nil {
			t.Fatal(err)
		}
		before = healthyAgain(t, s, before)
	}
	if err := s.Hurt(t.Context(), "web-1", "kill"); err != nil {
		t.Fatal(err)
	}
	quarantined := func(st simulator.Status) bool { return st.Health.Condition == simulator.Quarantined && st.PID == 0 }
	is(t, s, "web-1", "given up on", quarantined)
	closed(t, s)
	s = l.open()
	is(t, s, "web-1", "still given up on", quarantined)
	done(t, s, repave("j2", "web-1", "2.0"))
	is(t, s, "web-1", "healthy", func(st simulator.Status) bool { return st.Health.Condition == simulator.Healthy && st.PID > 0 })
}

// TestNothingIsRecoveredInAJob: a machine that a job ends is not started again beside it.
func TestNothingIsRecoveredInAJob(t *testing.T) {
	l, s, _ := sick(t)
	l.images.hold = make(chan struct{})
	ended := make(chan error)
	go func() {
		_, err := s.Do(t.Context(), repave("j2", "web-1", "2.0"), nil)
		ended <- err
	}()
	is(t, s, "web-1", "busy", func(st simulator.Status) bool { return st.Job == "j2" })
	if err := s.Hurt(t.Context(), "web-1", "kill"); err != nil {
		t.Fatal(err)
	}
	is(t, s, "web-1", "off and left so", func(st simulator.Status) bool { return st.PID == 0 })
	looks := time.NewTicker(5 * s.config.Limits.Look)
	defer looks.Stop()
	<-looks.C // several looks at it later
	if st, _ := s.Get("web-1"); st.PID != 0 || st.Health.Condition != simulator.Busy {
		t.Errorf("in a job it is %+v", st)
	}
	close(l.images.hold)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestResetsOnPurposeAreNoLoop: a machine that somebody resets again and again boots as often, and is well.
func TestResetsOnPurposeAreNoLoop(t *testing.T) {
	l := newLot(t)
	config := l.config()
	config.Health.Silent = time.Minute
	s, err := Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, s) })
	done(t, s, repave("j1", "web-1", "1.0"))
	m := s.byName["web-1"]
	for boot := range 2 * config.Health.Boots {
		if err := s.Reset(t.Context(), "web-1", simulator.ResetForceRestart); err != nil {
			t.Fatal(err)
		}
		m.heard(m.live, fmt.Appendf(nil, `{"boot":"00000000-0000-0000-0000-%012d","uptime":1,"cloudInit":"running"}`, boot))
		if boots := len(m.known().Boots); boots != 1 {
			t.Fatalf("after reset %d it has booted %d times by itself", boot, boots)
		}
	}
	if v := m.judge(); v.Condition != simulator.Healthy {
		t.Errorf("it is %+v", v)
	}
}

// TestAGuestThatReportsWithoutEnd makes nobody write without end.
func TestAGuestThatReportsWithoutEnd(t *testing.T) {
	_, s, _ := sick(t)
	m := s.byName["web-1"]
	l := m.live // its health may take it for one that loops, meanwhile
	last := ""
	writes := 0
	for boot := range 500 {
		m.heard(l, fmt.Appendf(nil, `{"boot":"00000000-0000-0000-0000-%012d","uptime":1,"cloudInit":"running"}`, boot))
		if boots := m.known().Boots; len(boots) > 0 && boots[len(boots)-1].ID != last {
			last = boots[len(boots)-1].ID
			writes++
		}
	}
	if writes == 0 || writes > 2*maxBoots {
		t.Errorf("of 500 reports %d were written down", writes)
	}
}

func TestTheManagementControllersSide(t *testing.T) {
	_, s, before := sick(t)
	ctx := t.Context()
	if _, front, ok := s.Look("web-1"); !ok || front.UUID == "" || front.Boot.Override != simulator.BootDisabled {
		t.Errorf("its front: %+v", front)
	}
	if err := s.SetBoot(ctx, "web-1", simulator.Boot{Source: simulator.BootCd, Override: simulator.BootOnce, Mode: simulator.BootLegacy}); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(ctx, "web-1", simulator.ResetForceRestart); err != nil {
		t.Fatal(err)
	}
	is(t, s, "web-1", "started once from its drive", func(simulator.Status) bool {
		_, front, _ := s.Look("web-1")
		return front.Boot.Override == simulator.BootDisabled
	})
	if err := s.SetBoot(ctx, "web-1", simulator.Boot{Source: simulator.BootNone, Override: simulator.BootDisabled, Mode: simulator.BootUEFI}); err == nil {
		t.Error("a firmware that is not there is taken")
	}
	medium := &simulator.Medium{URL: "http://example.com/a.iso", Path: s.config.Dir + "/a.iso"}
	if err := qemuImg(ctx, "create", "-q", "-f", "raw", medium.Path, "1M"); err != nil {
		t.Fatal(err)
	}
	for _, in := range []*simulator.Medium{medium, nil} {
		if err := s.SetMedium(ctx, "web-1", in); err != nil {
			t.Fatal(err)
		}
		if _, front, _ := s.Look("web-1"); front.Medium != in {
			t.Errorf("in its drive is %v, not %v", front.Medium, in)
		}
		gone := &simulator.Medium{URL: "http://example.com/b.iso", Path: s.config.Dir + "/b.iso"}
		if err := s.SetMedium(ctx, "web-1", gone); err == nil {
			t.Error("a medium that is not there is in the drive")
		}
		if _, front, _ := s.Look("web-1"); front.Medium != in {
			t.Errorf("in its drive is still %v, and it says %v", in, front.Medium)
		}
	}
	for _, kind := range []simulator.Reset{simulator.ResetOn, simulator.ResetGracefulShutdown} {
		if err := s.Reset(ctx, "web-1", kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if now, _ := s.Get("web-1"); now.PID != before.PID {
			t.Errorf("after %s it is another process", kind)
		}
	}
	if err := s.Reset(ctx, "web-1", simulator.ResetPowerCycle); err != nil {
		t.Fatal(err)
	}
	if now, _ := s.Get("web-1"); now.PID == before.PID || now.PID == 0 {
		t.Errorf("after a power cycle it is %+v", now)
	}
	if err := s.Reset(ctx, "web-1", simulator.ResetForceOff); err != nil {
		t.Fatal(err)
	}
	if now, _ := s.Get("web-1"); now.PID != 0 {
		t.Errorf("it was forced off, and is %+v", now)
	}
}
