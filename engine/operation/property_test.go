package operation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// life of one Operation among faults and people, with everybody who judges it.
type life struct {
	*bench
	site    *pretend
	checker *checker
	story   []string
	lying   bool
}

// TestNothingIsDoneTwice lives random lives: replies are lost, come late or land late, the controller
// crashes, people edit, cancel, delete. At no time does the site get a second job, and once the
// faults cease every Operation ends.
func TestNothingIsDoneTwice(t *testing.T) { rapid.Check(t, liveOneLife) }

// TestLies lives the same lives at a site that says anything: unknown ids, ends that are none, jobs
// that it never made. What it does cannot be judged then, but every decision still is.
func TestLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		l.lying = true
		l.live(t)
	})
}

// FuzzLife lets the fuzzer choose the life.
func FuzzLife(f *testing.F) { f.Fuzz(rapid.MakeFuzz(liveOneLife)) }

func liveOneLife(t *rapid.T) { newLife(t).live(t) }

func (l *life) live(t *rapid.T) {
	for range rapid.IntRange(1, 60).Draw(t, "length") {
		happening := rapid.SampledFrom(happenings).Draw(t, "happening")
		l.story = append(l.story, happening.name)
		happening.do(l, t)
		l.judge(t)
	}
	l.calm(t)
}

func newLife(t *rapid.T) *life {
	l := &life{bench: newBench(), site: newPretend(rapid.Bool().Draw(t, "first version")), checker: newChecker()}
	action := rapid.SampledFrom([]v1alpha1.Action{v1alpha1.ActionRepave, v1alpha1.ActionReboot, v1alpha1.ActionInspect}).Draw(t, "action")
	l.server = newServer(l.bench)
	l.profile = &operation.Profile{Name: "os", Hash: "h0", Image: &drivers.Image{OSVersion: "2.0.0", ProfileHash: "h0"}}
	l.op = &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Name: "op", Namespace: "dc-west", UID: l.uid("op"), CreationTimestamp: metav1.NewTime(l.now), Generation: 1},
		Spec: v1alpha1.OperationSpec{Operation: action, ServerRef: v1alpha1.ServerReference{Name: l.server.Name},
			Retries: rapid.Int32Range(0, 3).Draw(t, "retries"), Timeout: &metav1.Duration{Duration: 10 * time.Minute}},
	}
	l.haveHooks(t)
	if action == v1alpha1.ActionRepave {
		l.op.Spec.ProvisioningProfileRef = &v1alpha1.LocalReference{Name: "os"}
		l.ofRollout(t)
	}
	return l
}

// ofRollout makes the Operation one of a group's rollout, or leaves it as somebody made it by hand.
func (l *life) ofRollout(t *rapid.T) {
	if rapid.Bool().Draw(t, "by hand") {
		return
	}
	l.server.Labels = map[string]string{"role": "web"}
	l.group = &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "dc-west", CreationTimestamp: metav1.NewTime(l.now)}}
	l.group.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": "web"}
	l.group.Spec.ProvisioningProfileRef.Name = "os"
	l.takes(l.op.Name)
	l.op.Labels = map[string]string{v1alpha1.LabelGroup: "web"}
	l.op.Spec.Expected = &v1alpha1.Expected{ProfileHash: "h0"}
}

func newServer(b *bench) *v1alpha1.Server {
	return &v1alpha1.Server{
		ObjectMeta: metav1.ObjectMeta{Name: "server-001", Namespace: "dc-west", UID: b.uid("srv"), CreationTimestamp: metav1.NewTime(b.now), Generation: 1},
		Spec:       v1alpha1.ServerSpec{MAC: "aa:bb:cc:dd:ee:01"},
	}
}

// pass is one pass of the controller, every step of it checked. It tells when to come back.
func (l *life) pass(t *rapid.T, steps int) (until time.Time) {
	if l.gone {
		return until
	}
	s := l.snapshot()
	for n := range maxEffects {
		effect, err := l.checker.decide(s)
		l.story = append(l.story, "  "+describe(l.bench, effect))
		if err != nil {
			t.Fatalf("%v\n%s", err, l.tell())
		}
		if wait, ok := effect.(operation.Wait); ok {
			l.reply, l.hookReply = nil, nil
			return wait.Until
		}
		if l.carryOut(&s, effect) {
			l.reply, l.hookReply = nil, nil
			return until
		}
		if n+1 == steps {
			l.crash()
			return until
		}
	}
	t.Fatalf("no end after %d effects\n%s", maxEffects, l.tell())
	return until
}

// judge asks the site what really happened.
func (l *life) judge(t *rapid.T) {
	if l.lying {
		return
	}
	if len(l.site.wrong) > 0 {
		t.Fatalf("%s\n%s", l.site.wrong[0], l.tell())
	}
	if l.op.Status.Phase.Terminal() && l.site.live() != nil && (l.server == nil || l.server.Status.Quarantine == nil || !l.server.Status.Quarantine.JobMayRun) && l.sameServer() {
		t.Fatalf("%s ended %s while %s runs\n%s", l.op.Name, l.op.Status.Phase, l.site.live().request, l.tell())
	}
}

// sameServer tells whether the Server is still the one that the Operation was about.
func (l *life) sameServer() bool {
	return l.server != nil && l.op.Status.DecidedOn != nil && string(l.server.UID) == l.op.Status.DecidedOn.ServerUID
}

// calm: the faults cease, people put right what they broke, and look at machines that nobody knows
// the state of. The Operation ends within bounded steps, and leaves nothing behind.
func (l *life) calm(t *rapid.T) {
	l.story = append(l.story, "calm")
	l.putRight()
	for range 2000 {
		if l.gone || (l.op.Status.Phase.Terminal() && l.op.DeletionTimestamp == nil && !l.hasClaim()) {
			l.judge(t)
			return
		}
		if l.calling != nil {
			l.answer(l.site.answer(*l.calling))
		}
		if l.running != nil {
			l.say(operation.HookSaidDone)
		}
		until := l.pass(t, 0)
		l.judge(t)
		l.moveOn(t, until)
	}
	t.Fatalf("no way out of %s\n%s", operation.StageOf(&l.op.Status), l.tell())
}

func (l *life) hasClaim() bool {
	return l.server != nil && l.server.Status.ActiveOperation != nil
}

func (l *life) putRight() {
	verbWatch(l.bench, nil)
	if l.group != nil {
		l.group = l.group.DeepCopy()
		l.group.Spec.Rollout.Paused = false
	}
	for i := range l.hooks {
		l.hooks[i].Problem = ""
	}
	l.bench.site.Paused, l.bench.site.Problem, l.verdict = false, nil, operation.Verdict{Admitted: true}
	for _, request := range l.site.flying {
		_, _ = l.site.start(request)
	}
	l.site.flying = nil
	if l.server == nil {
		l.server = newServer(l.bench)
	}
	if q := l.server.Status.Quarantine; q != nil && q.JobMayRun && l.site.live() != nil {
		// Who releases such a machine makes sure of it before.
		l.site.live().phase = drivers.JobFailed
	}
	l.server = l.server.DeepCopy()
	l.server.Spec.Paused, l.server.Spec.Maintenance, l.server.Status.Quarantine = false, false, nil
	if l.profile == nil {
		l.profile = &operation.Profile{Name: "os", Hash: "h0", Image: &drivers.Image{OSVersion: "2.0.0", ProfileHash: "h0"}}
	}
}

// moveOn lets time go by to what is waited for, or a person do it.
func (l *life) moveOn(t *rapid.T, until time.Time) {
	l.now = l.now.Add(100 * time.Millisecond)
	switch {
	case l.gone || l.calling != nil || l.running != nil || l.op.Status.Phase.Terminal():
	case !until.IsZero():
		l.now = later(l.now, until)
	case operation.StageOf(&l.op.Status) == operation.StageParked:
		l.resolve()
	default:
		t.Fatalf("waits for nothing: %s\n%s", l.op.Status.Message, l.tell())
	}
	if job := l.site.live(); job != nil {
		job.phase = drivers.JobSucceeded
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// resolve says what is true of the open attempt, once its job, if there is one, has ended.
func (l *life) resolve() {
	attempt := l.op.Status.LastAttempt()
	word := "it-did-not"
	if job := l.site.made(attempt.RequestID); job != nil {
		word = "it-ran"
		job.phase = drivers.JobSucceeded
	}
	l.edit(func(op *v1alpha1.Operation) {
		metav1.SetMetaDataAnnotation(&op.ObjectMeta, v1alpha1.AnnotationResolve, attempt.RequestID+"="+word)
	})
}

func (l *life) tell() string {
	return fmt.Sprintf("first version %v\n%s\nstatus: %s", l.site.first, strings.Join(l.story, "\n"), verbStatus(l.bench, nil))
}
