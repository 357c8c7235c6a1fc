package fleet_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/fleet"
)

// bench is one Fleet with a repository and a cluster that pretend.
type bench struct {
	fleet  *v1alpha1.Fleet
	groups []*v1alpha1.ServerGroup
	known  fleet.Known
	now    time.Time
	// pending effect that was begun and not answered.
	pending fleet.Effect
	// head that the ref points at, by the name that a transcript gives commits.
	head      string
	commits   map[string]*fleet.Commit
	forecasts map[string]*fleet.Forecast
	differing int
	failure   *fleet.Failure
	visited   map[fleet.Stage]bool
}

var midnight = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func newBench() *bench {
	b := &bench{now: midnight, commits: map[string]*fleet.Commit{}, forecasts: map[string]*fleet.Forecast{}}
	b.fleet = &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: "prod", UID: types.UID("fleet-1"), Generation: 1}}
	b.crash()
	return b
}

// crash forgets what a process knows.
func (b *bench) crash() {
	b.known = fleet.Known{Commits: map[string]*fleet.Commit{}, Forecasts: map[string]*fleet.Forecast{}}
	b.pending = nil
}

// hash of a commit that a transcript calls by a letter.
func hash(name string) string { return strings.Repeat(name, 40)[:40] }

func headOf(name string) fleet.Head {
	return fleet.Head{Revision: "main@sha1:" + hash(name), Commit: hash(name)}
}

var verbs = map[string]func(*bench, *datadriven.TestData) string{
	"commit": verbCommit, "push": verbPush, "forecast": verbForecast, "decide": verbDecide, "reply": verbReply, "fail": verbFail, "mend": verbMend,
	"tick": verbTick, "status": verbStatus, "crash": verbCrash, "spec": verbSpec, "annotate": verbAnnotate, "group": verbGroup, "notice": verbNotice, "drift": verbDrift, "gone": verbGone,
}

// TestTranscripts replays every story in testdata/. Accept what changed with -rewrite.
func TestTranscripts(t *testing.T) {
	visited := map[fleet.Stage]bool{}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		b := newBench()
		b.visited = visited
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			verb, ok := verbs[d.Cmd]
			if !ok {
				d.Fatalf(t, "no verb %q", d.Cmd)
			}
			if answer := strings.TrimRight(verb(b, d), "\n"); answer != "" {
				return answer + "\n"
			}
			return ""
		})
	})
	for _, stage := range fleet.Stages {
		if !visited[stage] {
			t.Errorf("no transcript has a fleet in stage %s", stage)
		}
	}
}

func word(d *datadriven.TestData, key string) string {
	for _, arg := range d.CmdArgs {
		if arg.Key == key {
			return strings.Join(arg.Vals, ", ")
		}
	}
	return ""
}

func has(d *datadriven.TestData, key string) bool {
	for _, arg := range d.CmdArgs {
		if arg.Key == key {
			return true
		}
	}
	return false
}

func number(d *datadriven.TestData, key string) (n int) {
	_, _ = fmt.Sscan(word(d, key), &n)
	return n
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// commit NAME [refused="why"]: what is read of a commit once it is fetched.
func verbCommit(b *bench, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	c := &fleet.Commit{Head: headOf(name), Author: "Ann <ann@example.org>", Subject: "commit " + name, Digest: "digest-" + name, Objects: 7}
	if why := word(d, "refused"); why != "" {
		c.Refusal = &fleet.Refusal{Reason: v1alpha1.ReasonCommitInvalid, Message: why, Count: 1,
			Errors: []v1alpha1.SourceError{{Path: "profiles/web.yaml", Line: 12, Message: why}}}
	}
	b.commits[c.Commit] = c
	b.forecasts[c.Commit] = &fleet.Forecast{Allowed: true, Changes: 3}
	return ""
}

// push NAME: the ref points there from now on.
func verbPush(b *bench, d *datadriven.TestData) string {
	b.head = d.CmdArgs[0].Key
	return ""
}

// forecast NAME repaves=N [allowed]
func verbForecast(b *bench, d *datadriven.TestData) string {
	n := number(d, "repaves")
	f := &fleet.Forecast{Repaves: n, Changes: 3, Allowed: has(d, "allowed"), Observed: fmt.Sprint(n), Limit: "2"}
	if !f.Allowed {
		f.Message = fmt.Sprintf("%d repaves would follow, more than the 2 that the guard allows", n)
	}
	b.forecasts[hash(d.CmdArgs[0].Key)] = f
	return ""
}

func verbGone(b *bench, d *datadriven.TestData) string {
	delete(b.commits, hash(d.CmdArgs[0].Key))
	return ""
}

func (b *bench) snapshot() fleet.Snapshot {
	return fleet.Snapshot{Now: b.now, Fleet: b.fleet, Groups: b.groups, Known: b.known}
}

// decide until there is nothing to do but to wait.
func verbDecide(b *bench, _ *datadriven.TestData) string {
	var out strings.Builder
	for range 20 {
		s := b.snapshot()
		b.visited[fleet.StageOf(&s)] = true
		before := b.fleet.DeepCopy()
		effect := fleet.Decide(s)
		if !equal(before, b.fleet) {
			panic("Decide changed its snapshot")
		}
		fmt.Fprintln(&out, b.carryOut(effect))
		if _, rest := effect.(fleet.Rest); rest {
			return out.String()
		}
	}
	panic(errors.New("no end:\n" + out.String()))
}

func (b *bench) carryOut(effect fleet.Effect) string {
	switch e := effect.(type) {
	case fleet.Rest:
		if e.Until.IsZero() {
			return "rest until something changes"
		}
		return "rest until " + e.Until.Format("15:04:05.0")
	case fleet.WriteStatus:
		return b.write(e)
	case fleet.Weigh:
		b.known.Forecasts[e.Commit] = b.forecasts[e.Commit]
		return "weigh " + e.Commit[:7]
	case fleet.Compare:
		b.known.Compared, b.known.ComparedWith, b.known.Differing = b.now, e.Commit, b.differing
		return fmt.Sprintf("compare with %s: %d differ", e.Commit[:7], b.differing)
	}
	b.pending, b.known.Busy, b.known.BusySince = effect, true, b.now
	switch e := effect.(type) {
	case fleet.Resolve:
		return "ask where the ref points"
	case fleet.Fetch:
		return "fetch " + fleet.Short(e.Revision)
	case fleet.Apply:
		return fmt.Sprintf("apply %s as number %d, put back %t", e.Commit[:7], e.Number, e.PutBack)
	}
	return fmt.Sprintf("%T", effect)
}

func (b *bench) write(e fleet.WriteStatus) string {
	b.fleet.Status = e.Status
	text := "write " + e.Step
	if applying := e.Status.Applying; applying != nil {
		text += fmt.Sprintf(", applying %s as number %d", applying.Commit[:7], applying.Number)
	}
	for _, event := range e.Events {
		kind := "event"
		if event.Warning {
			kind = "warning"
		}
		text += fmt.Sprintf("\n  %s %s: %s", kind, event.Reason, event.Message)
	}
	return text
}

// reply to what is under way: it went well, unless a failure was set.
func verbReply(b *bench, d *datadriven.TestData) string {
	effect := b.pending
	b.pending, b.known.Busy = nil, false
	if wish, ok := effect.(fleet.Resolve); ok {
		b.known.Looked, b.known.LookedFor = b.known.BusySince, wish.For
	}
	if b.failure != nil {
		return b.replyFailure(effect, d)
	}
	switch e := effect.(type) {
	case fleet.Resolve:
		head := headOf(b.head)
		b.known.Head = &head
		if b.known.Failure != nil && b.known.Failure.Of == "" {
			b.known.Failure = nil
		}
		clear(b.known.Forecasts)
	case fleet.Fetch:
		if b.commits[e.Commit] == nil {
			b.known.Commits[e.Commit] = &fleet.Commit{Head: e.Head, Lost: true}
			return "it is gone"
		}
		b.known.Commits[e.Commit], b.known.Failure = b.commits[e.Commit], nil
	case fleet.Apply:
		b.known.Sent = &fleet.Sent{Commit: e.Commit, Number: e.Number, PutBack: e.PutBack, At: b.now, Created: number(d, "created"), Changed: number(d, "changed"), Whole: true}
		b.known.Compared, b.known.ComparedWith, b.known.Differing, b.differing, b.known.Failure = b.now, e.Commit, 0, 0, nil
	default:
		return "nothing was under way"
	}
	return ""
}

// replyFailure: what was sent before an apply failed is in.
func (b *bench) replyFailure(effect fleet.Effect, d *datadriven.TestData) string {
	failure := *b.failure
	failure.At, failure.Number = b.now, b.fleet.Status.Failures+1
	switch e := effect.(type) {
	case fleet.Fetch:
		failure.Of = e.Commit
	case fleet.Apply:
		failure.Of, failure.Applying = e.Commit, true
		b.known.Sent = &fleet.Sent{Commit: e.Commit, Number: e.Number, PutBack: e.PutBack, At: b.now, Created: number(d, "created"), Changed: number(d, "changed")}
		b.known.Compared, b.known.ComparedWith, b.known.Differing = b.now, "", 0
	}
	b.known.Failure = &failure
	return ""
}

// fail REASON message="…" [permanent]: what is under way fails from now on.
func verbFail(b *bench, d *datadriven.TestData) string {
	b.failure = &fleet.Failure{Reason: d.CmdArgs[0].Key, Message: word(d, "message"), Permanent: has(d, "permanent")}
	return ""
}

func verbMend(b *bench, _ *datadriven.TestData) string {
	b.failure = nil
	return ""
}

func verbTick(b *bench, d *datadriven.TestData) string {
	by, err := time.ParseDuration(d.CmdArgs[0].Key)
	must(err)
	b.now = b.now.Add(by)
	return b.now.Format("15:04:05")
}

func verbCrash(b *bench, _ *datadriven.TestData) string {
	b.crash()
	return ""
}

// spec suspend|resume|until=5m: an edit of the Fleet.
func verbSpec(b *bench, d *datadriven.TestData) string {
	b.fleet.Generation++
	b.fleet.Spec.Suspend, b.fleet.Spec.SuspendUntil, b.fleet.Spec.Reason = has(d, "suspend"), nil, word(d, "reason")
	if until := word(d, "until"); until != "" {
		after, err := time.ParseDuration(until)
		must(err)
		at := metav1.NewTime(b.now.Add(after))
		b.fleet.Spec.SuspendUntil = &at
	}
	return ""
}

func verbAnnotate(b *bench, d *datadriven.TestData) string {
	for _, arg := range d.CmdArgs {
		value := arg.Vals[0]
		if arg.Key == "approve" && len(value) == 1 {
			value = hash(value)
		}
		metav1.SetMetaDataAnnotation(&b.fleet.ObjectMeta, "stargate.io/"+arg.Key, value)
	}
	return ""
}

// group NAME [ready] [stalled] [apply=N] [released=N]
func verbGroup(b *bench, d *datadriven.TestData) string {
	g := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "dc-west", Name: d.CmdArgs[0].Key}}
	g.Status.Revision.Apply = int64(number(d, "apply"))
	g.Annotations = map[string]string{v1alpha1.AnnotationReleased: fmt.Sprintf("%d inputs members 3", number(d, "released"))}
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled} {
		if has(d, strings.ToLower(kind)) {
			meta.SetStatusCondition(&g.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: "Because"})
		}
	}
	for i, each := range b.groups {
		if each.Name == g.Name {
			b.groups[i] = g
			return ""
		}
	}
	b.groups = append(b.groups, g)
	return ""
}

func verbNotice(b *bench, _ *datadriven.TestData) string {
	b.known.Noticed = b.now
	return ""
}

func verbDrift(b *bench, d *datadriven.TestData) string {
	_, _ = fmt.Sscan(d.CmdArgs[0].Key, &b.differing)
	b.known.Touched = b.now
	return ""
}
