package operation_test

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// start of every story.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// maxEffects is the bound that the reconciler puts on one pass.
const maxEffects = 24

// bench is a world of one Operation in which Decide can be watched: the objects as the API server
// has them, what the controller process alone knows, and what its cache has not seen yet.
type bench struct {
	now     time.Time
	op      *v1alpha1.Operation
	server  *v1alpha1.Server
	profile *operation.Profile
	site    operation.Site
	verdict operation.Verdict
	// live is what the API server says of server and site where the cache is behind; nil where the
	// cache has seen everything.
	liveServer *v1alpha1.Server
	liveSite   *operation.Site
	// group whose rollout makes Operations, and its fleet; liveGroup and groupGone are what the API server
	// says of it where the cache is behind.
	group     *v1alpha1.ServerGroup
	fleet     *v1alpha1.Fleet
	liveGroup *v1alpha1.ServerGroup
	groupGone bool

	// hooks that there are, and whether controllers elect a leader.
	hooks   []operation.Hook
	elected bool

	// What this process alone knows.
	process  int
	calling  *operation.Call
	reply    *operation.Reply
	lastCall time.Time
	intent   string
	landed   bool
	// running is the run of a hook that is under way; scripts are those that this process has.
	running   *operation.RunHook
	hookReply *operation.HookReply
	scripts   map[string]bool
	// untainted: no call before the one under way can have reached the site.
	untainted bool

	uids  int
	gone  bool
	moved func(move)
}

// move from one stage to the next, and what it was for.
type move struct {
	from, to operation.Stage
	why      string
}

func newBench() *bench {
	return &bench{now: start, process: 1, scripts: map[string]bool{}, site: operation.Site{Name: "dc-west", OnUnknown: v1alpha1.UnknownOutcomeHold},
		verdict: operation.Verdict{Admitted: true}}
}

// snapshot gathers as the reconciler does.
func (b *bench) snapshot() operation.Snapshot {
	s := operation.Snapshot{Now: b.now, Process: b.processName(), Operation: b.op, Server: b.server, Site: b.site}
	if b.op.Status.Phase.Terminal() {
		return s
	}
	if b.op.Spec.ProvisioningProfileRef != nil {
		s.Profile = b.profileOf(b.op.Spec.ProvisioningProfileRef.Name)
	}
	s.Rollout = b.rollout(false)
	s.Calling, s.Reply, s.LastCall = b.calling != nil, b.reply, b.lastCall
	s.Hooks, s.HookRuns, s.HookReply, s.Elected = b.hooksSeen(), b.running != nil, b.hookReply, b.elected
	if attempt := b.op.Status.LastAttempt(); attempt != nil {
		s.NotLanded = attempt.By == s.Process && attempt.RequestID == b.intent && !b.landed
	}
	return s
}

func (b *bench) processName() string { return fmt.Sprintf("controller-%d", b.process) }

func (b *bench) profileOf(name string) *operation.Profile {
	if b.profile != nil && b.profile.Name == name {
		return b.profile
	}
	return &operation.Profile{Name: name, Problem: &v1alpha1.Hold{Source: "ProvisioningProfile/" + name,
		Reason: v1alpha1.ReasonProfileNotFound, Message: "no ProvisioningProfile " + name, ClearsWhen: "it is created"}}
}

// carryOut does one effect, and tells whether the pass ends with it.
func (b *bench) carryOut(s *operation.Snapshot, effect operation.Effect) (done bool) {
	switch effect := effect.(type) {
	case operation.AddFinalizer:
		b.edit(func(op *v1alpha1.Operation) { op.Finalizers = append(op.Finalizers, v1alpha1.Finalizer) })
	case operation.RemoveFinalizer:
		b.edit(func(op *v1alpha1.Operation) {
			op.Finalizers = slices.DeleteFunc(op.Finalizers, func(f string) bool { return f == v1alpha1.Finalizer })
		})
		b.gone, done = true, true
	case operation.Delete:
		b.remove()
		done = true
	case operation.AskGate:
		verdict := b.verdict
		s.Verdict = &verdict
	case operation.WriteServer:
		b.writeServer(s, effect.Status)
	case operation.WriteStatus:
		b.writeStatus(s, effect)
	case operation.Confirm:
		s.Confirmed = b.confirm(s)
	case operation.Call:
		b.call(effect)
		done = true
	case operation.RunHook:
		b.running, b.hookReply = &effect, nil
		done = true
	}
	s.Operation, s.Server = b.op, b.server
	return done
}

func (b *bench) writeStatus(s *operation.Snapshot, write operation.WriteStatus) {
	from := operation.StageOf(&b.op.Status)
	b.edit(func(op *v1alpha1.Operation) { op.Status = write.Status })
	if write.Intent {
		b.intent, b.landed = b.op.Status.LastAttempt().RequestID, false
		s.NotLanded = true
	}
	if to := operation.StageOf(&b.op.Status); b.moved != nil && from != to {
		b.moved(move{from, to, whyMoved(from, to, &b.op.Status)})
	}
}

// writeServer is a compare-and-swap on what the API server has, which the cache may not have seen.
func (b *bench) writeServer(s *operation.Snapshot, status v1alpha1.ServerStatus) {
	next := b.server.DeepCopy()
	next.Status = status
	if before, after := b.server.Status.ActiveOperation, status.ActiveOperation; before != nil && after != nil && before.By != after.By {
		b.landed = true
		s.NotLanded = false
	}
	b.server = next
	if b.liveServer != nil {
		live := b.liveServer.DeepCopy()
		live.Status = status
		b.liveServer = live
	}
}

func (b *bench) confirm(s *operation.Snapshot) *operation.Confirmation {
	site, server := b.site, b.server
	if b.liveSite != nil {
		site = *b.liveSite
	}
	if b.liveServer != nil {
		server = b.liveServer
	}
	if hold := operation.SiteHold(site); hold != nil {
		return &operation.Confirmation{Hold: hold}
	}
	hold := operation.ServerHold(server, s.Conflicts)
	if hold == nil {
		hold = operation.AdoptionHold(b.op, server)
	}
	if s.Rollout = b.rollout(true); hold == nil && s.Rollout != nil {
		hold = s.Rollout.Hold
	}
	return &operation.Confirmation{Hold: hold}
}

// rollout is what the group says; exact, as the API server has it.
func (b *bench) rollout(exact bool) *operation.Rollout {
	if b.op.Labels[v1alpha1.LabelGroup] == "" {
		return nil
	}
	group := b.group
	if exact && b.groupGone {
		group = nil
	} else if exact && b.liveGroup != nil {
		group = b.liveGroup
	}
	return operation.RolloutOf(b.op, b.server, group, b.fleet, exact, b.now)
}

func (b *bench) call(call operation.Call) {
	b.calling, b.reply = &call, nil
	if call.Kind == operation.CallStart {
		b.untainted = b.intent == call.Request.ID && !b.landed
		b.landed = true
	}
}

// answer ends the call that is under way.
func (b *bench) answer(reply *operation.Reply) {
	if reply.Kind == operation.CallStart && b.untainted && reply.Err != nil && drivers.KindOf(reply.Err) == drivers.Transient {
		b.landed = false
	}
	b.calling, b.reply, b.lastCall = nil, reply, b.now
}

// crash ends the process: what it alone knew is gone, and another takes over.
func (b *bench) crash() {
	b.process++
	b.calling, b.reply, b.lastCall, b.intent, b.landed = nil, nil, time.Time{}, "", false
	b.running, b.hookReply, b.scripts = nil, nil, map[string]bool{}
}

// edit changes a copy of the Operation, so that no snapshot sees it.
func (b *bench) edit(change func(*v1alpha1.Operation)) {
	next := b.op.DeepCopy()
	change(next)
	b.op = next
}

// remove deletes the Operation as the API server would.
func (b *bench) remove() {
	if len(b.op.Finalizers) == 0 {
		b.gone = true
		return
	}
	now := metav1.NewTime(b.now)
	b.edit(func(op *v1alpha1.Operation) { op.DeletionTimestamp = &now; op.Generation++ })
}

func (b *bench) uid(prefix string) types.UID {
	b.uids++
	return types.UID(fmt.Sprintf("%s%d", prefix, b.uids))
}
