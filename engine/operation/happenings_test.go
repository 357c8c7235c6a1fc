package operation_test

import (
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// happening is one thing that may happen in a life.
type happening struct {
	name string
	do   func(*life, *rapid.T)
}

// happenings are drawn evenly; what should happen often is there more than once.
var happenings = []happening{
	{"decide", decideOnce}, {"decide", decideOnce}, {"decide", decideOnce}, {"decide", decideOnce},
	{"answer", answerCall}, {"answer", answerCall}, {"answer", answerCall},
	{"lose the reply", loseReply},
	{"land late", landLate},
	{"refuse to answer", answerTransient},
	{"tick", tick}, {"tick", tick},
	{"job ends", endJob},
	{"crash", func(l *life, _ *rapid.T) { l.crash() }},
	{"decide and crash", func(l *life, t *rapid.T) { l.pass(t, rapid.IntRange(1, 6).Draw(t, "steps")) }},
	{"cancel", func(l *life, _ *rapid.T) {
		l.edit(func(op *v1alpha1.Operation) { op.Spec.Cancel = true; op.Generation++ })
	}},
	{"delete", func(l *life, _ *rapid.T) {
		if !l.gone {
			l.remove()
		}
	}},
	{"pause or resume", pauseOrResume},
	{"group", changeGroup},
	{"watch", func(l *life, _ *rapid.T) { verbWatch(l.bench, nil) }},
	{"edit the profile", editProfile},
	{"server anew", serverAnew},
	{"gate", changeGate},
	{"resolve", func(l *life, _ *rapid.T) {
		// A person looks at the machine only once nothing can land on it any more.
		if operation.StageOf(&l.op.Status) == operation.StageParked && len(l.site.flying) == 0 {
			l.resolve()
		}
	}},
	{"a hook says", hookSays}, {"a hook says", hookSays},
	{"change a hook", changeHook},
	{"set the clock", func(l *life, t *rapid.T) {
		l.now = l.now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "minutes")) * time.Minute)
	}},
}

func decideOnce(l *life, t *rapid.T) { l.pass(t, 0) }

func answerCall(l *life, t *rapid.T) {
	switch {
	case l.calling == nil:
	case l.lying && rapid.Bool().Draw(t, "lie"):
		l.answer(lie(t, l.calling.Kind, l.calling.Job.RequestID))
	default:
		l.answer(l.site.answer(*l.calling))
	}
}

// loseReply: the site did what it was asked, or the request is still under way, and nobody is told.
func loseReply(l *life, t *rapid.T) {
	if l.calling == nil {
		return
	}
	kind := drivers.Transient
	if l.calling.Kind == operation.CallStart {
		kind = drivers.Unknown
	}
	switch {
	case rapid.Bool().Draw(t, "landed"):
		l.site.answer(*l.calling)
	case l.calling.Kind == operation.CallStart:
		l.site.flying = append(l.site.flying, l.calling.Request)
	}
	l.answer(&operation.Reply{Kind: l.calling.Kind, RequestID: l.calling.Job.RequestID, Err: fail(kind, drivers.ReasonUnreachable)})
}

// landLate: a request lands long after it was given up.
func landLate(l *life, _ *rapid.T) {
	if len(l.site.flying) > 0 {
		request := l.site.flying[0]
		l.site.flying = l.site.flying[1:]
		_, _ = l.site.start(request)
	}
}

func answerTransient(l *life, _ *rapid.T) {
	if l.calling != nil {
		l.answer(&operation.Reply{Kind: l.calling.Kind, RequestID: l.calling.Job.RequestID, Err: fail(drivers.Transient, drivers.ReasonBusy)})
	}
}

func tick(l *life, t *rapid.T) {
	l.now = l.now.Add(rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second, 15 * time.Second, 3 * time.Minute, 20 * time.Minute}).Draw(t, "by"))
}

func endJob(l *life, t *rapid.T) {
	if job := l.site.live(); job != nil {
		job.phase = rapid.SampledFrom([]drivers.Phase{drivers.JobSucceeded, drivers.JobFailed, drivers.JobCancelled}).Draw(t, "end")
		job.untouched = job.phase != drivers.JobSucceeded && rapid.Bool().Draw(t, "untouched")
	}
}

func pauseOrResume(l *life, t *rapid.T) {
	paused, unseen := rapid.Bool().Draw(t, "paused"), rapid.Bool().Draw(t, "unseen")
	if rapid.Bool().Draw(t, "datacenter") || l.server == nil {
		next := l.bench.site
		next.Paused = paused
		if unseen {
			l.liveSite = &next
			return
		}
		l.bench.site = next
		return
	}
	next := l.server.DeepCopy()
	next.Spec.Paused = paused
	if unseen {
		l.liveServer = next
		return
	}
	l.server, l.liveServer = next, nil
}

// changeGroup pauses or resumes the rollout, gives the place up or deletes the group, seen or not yet.
func changeGroup(l *life, t *rapid.T) {
	if l.group == nil {
		return
	}
	next := l.group.DeepCopy()
	next.Spec.Rollout.Paused = rapid.Bool().Draw(t, "paused")
	if rapid.IntRange(0, 9).Draw(t, "forgets") == 0 {
		next.Status.InFlight = nil
	}
	gone := rapid.IntRange(0, 9).Draw(t, "gone") == 0
	switch unseen := rapid.Bool().Draw(t, "unseen"); {
	case gone && unseen:
		l.groupGone = true
	case gone:
		l.group, l.groupGone, l.liveGroup = nil, false, nil
	case unseen:
		l.liveGroup = next
	default:
		l.group, l.liveGroup = next, nil
	}
}

func editProfile(l *life, t *rapid.T) {
	hash := rapid.SampledFrom([]string{"h0", "h0", "h1"}).Draw(t, "hash")
	l.profile = &operation.Profile{Name: "os", Hash: hash, Image: &drivers.Image{OSVersion: "2.0.0", ProfileHash: hash}}
	if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
		l.profile = nil
	}
}

func serverAnew(l *life, t *rapid.T) {
	l.liveServer = nil
	if rapid.Bool().Draw(t, "gone") {
		l.server = nil
		return
	}
	l.server = newServer(l.bench)
}

func changeGate(l *life, t *rapid.T) {
	l.verdict = rapid.SampledFrom([]operation.Verdict{
		{Admitted: true}, {Admitted: true},
		{Holds: []v1alpha1.Hold{{Source: "Server/server-001", Reason: v1alpha1.ReasonServerBusy, Message: "busy"}}},
		{Holds: []v1alpha1.Hold{{Source: "Datacenter/dc-west", Reason: v1alpha1.ReasonLimitReached, Message: "full"}}},
	}).Draw(t, "verdict")
}
