package rollout

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// restWave is the name of the wave of servers that no other took.
const restWave = "rest"

// wave is one part of the group, and how far it is.
type wave struct {
	// spec is nil for the rest.
	spec   *v1alpha1.Wave
	status v1alpha1.WaveStatus
	// behind servers may be taken; waiting ones once something is out of their way; unhealthy ones have
	// the content and are not ready.
	behind, waiting, unhealthy int
	// sick is the first unhealthy one; blocked the first waiting one.
	sick, blocked *v1alpha1.Server
}

// arrangeWaves says which wave each member goes with, how far each wave is, and which one is under way.
func (p *plan) arrangeWaves() {
	p.drawWaves()
	for i := range p.members {
		p.waves[p.members[i].wave].tally(&p.members[i], p.next)
	}
	open := p.revision().Number > 0
	for i := range p.waves {
		w := &p.waves[i]
		p.followApproval(w)
		if !open {
			w.wait()
			continue
		}
		open = p.advance(w)
		if !open && p.current < 0 && (w.status.State == v1alpha1.WaveRunning) {
			p.current = i
		}
	}
}

// drawWaves deals the members out. It looks at all of them, updated or not, so that nobody changes
// waves for having been updated.
func (p *plan) drawWaves() {
	specs := p.rollout().Waves
	p.waves = make([]wave, len(specs)+1)
	matchers := make([]matcher, len(specs))
	room := make([]int, len(specs))
	for i := range specs {
		p.waves[i].spec = &specs[i]
		p.waves[i].status = p.waveBefore(specs[i].Name)
		if specs[i].Size != nil {
			matchers[i], room[i] = matcher{never: true}, max(share(*specs[i].Size, len(p.members), 1), 1)
			continue
		}
		matchers[i] = compile(specs[i].Selector)
	}
	p.waves[len(specs)].status = p.waveBefore(restWave)
	for _, i := range p.order() {
		p.members[i].wave = int32(draw(p.members[i].server, matchers, room)) //nolint:gosec // at most 32
	}
}

// draw gives the first wave that takes a server.
func draw(server *v1alpha1.Server, matchers []matcher, room []int) int {
	for i := range matchers {
		if room[i] > 0 {
			room[i]--
			return i
		}
		if matchers[i].takes(server.Labels) {
			return i
		}
	}
	return len(matchers)
}

// waveBefore is what is kept of a wave's status from one decision to the next.
func (p *plan) waveBefore(name string) v1alpha1.WaveStatus {
	for i := range p.next.Waves {
		if w := p.next.Waves[i]; w.Name == name {
			w.Servers, w.Updated, w.Active, w.Failed, w.Skipped = 0, 0, 0, 0, 0
			return w
		}
	}
	return v1alpha1.WaveStatus{Name: name}
}

// order in which members are dealt out and taken: by name, or shuffled anew by each revision.
func (p *plan) order() []int32 {
	if p.ordered != nil {
		return p.ordered
	}
	p.ordered = make([]int32, len(p.members))
	for i := range p.ordered {
		p.ordered[i] = int32(i)
	}
	if p.rollout().Order != v1alpha1.OrderShuffled {
		return p.ordered
	}
	keys := make([]uint64, len(p.members))
	for i := range p.members {
		h := fnv.New64a()
		_, _ = h.Write([]byte(p.revision().Name + "/" + p.members[i].server.Name))
		keys[i] = h.Sum64()
	}
	slices.SortFunc(p.ordered, func(a, b int32) int {
		return cmp.Or(cmp.Compare(keys[a], keys[b]), cmp.Compare(a, b))
	})
	return p.ordered
}

// tally counts a member into its wave.
func (w *wave) tally(m *member, status *v1alpha1.ServerGroupStatus) {
	w.status.Servers++
	switch m.class {
	case classActive:
		w.status.Active++
	case classUpdated:
		w.status.Updated++
		if m.unhealthy() {
			w.unhealthy++
			w.sick = cmp.Or(w.sick, m.server)
		}
	case classLeft, classSkipped:
		if m.left >= 0 && status.Left[m.left].Reason == v1alpha1.LeftFailed {
			w.status.Failed++
		} else {
			w.status.Skipped++
		}
	case classWaiting:
		w.waiting++
		w.blocked = cmp.Or(w.blocked, m.server)
	case classBehind:
		w.behind++
	case classDrifted, classes:
	}
}

// work tells whether there is anything left to do in a wave.
func (w *wave) work() bool { return w.behind+w.waiting+int(w.status.Active) > 0 }

// anyWork tells whether there is anything left to do in the group.
func (p *plan) anyWork() bool {
	return slices.ContainsFunc(p.waves, func(w wave) bool { return w.work() })
}

// wait for the waves before it. One that was done stays so.
func (w *wave) wait() {
	if w.status.State != v1alpha1.WaveDone || w.work() {
		w.enter(v1alpha1.WaveWaiting)
	}
}

// enter a state in which nothing soaks.
func (w *wave) enter(state v1alpha1.WaveState) {
	w.status.State, w.status.UpdatedAt, w.status.SoakedUntil = state, nil, nil
}

// advance a wave of which all before are done, and tell whether the next one may begin.
func (p *plan) advance(w *wave) bool {
	switch {
	case w.work() && w.needsApproval():
		w.enter(v1alpha1.WaveAwaitingApproval)
		return false
	case w.work():
		w.enter(v1alpha1.WaveRunning)
		return false
	case w.status.State == v1alpha1.WaveDone:
		return true
	case w.unhealthy > 0:
		w.enter(v1alpha1.WaveRunning)
		return false
	case w.status.StartedAt == nil && (w.status.Updated == 0 || !p.anyWork()):
		// Nothing could be updated, or nothing had to be: there is nothing to soak.
		w.enter(v1alpha1.WaveDone)
		return true
	}
	return p.soak(w)
}

func (w *wave) needsApproval() bool {
	return w.spec != nil && w.spec.Approval == v1alpha1.ApprovalRequired && w.status.ApprovedAt == nil && w.status.Active == 0
}

// soak a wave whose servers are all ready, and tell whether it has passed. A clock that was set back
// begins it anew: it may end late for that, but not early.
func (p *plan) soak(w *wave) bool {
	since := w.status.UpdatedAt
	if since == nil || since.After(p.s.Now.Add(time.Second)) {
		at := ceil(p.s.Now)
		since = &at
		w.status.UpdatedAt = since
	}
	var soak time.Duration
	if w.spec != nil && w.spec.Soak != nil {
		soak = w.spec.Soak.Duration
	}
	until := ceil(since.Add(soak))
	if soak > 0 && until.After(p.s.Now) {
		w.status.State, w.status.SoakedUntil = v1alpha1.WaveSoaking, &until
		p.wake(until.Time)
		return false
	}
	if soak > 0 {
		w.status.SoakedUntil = &until
	}
	w.status.State = v1alpha1.WaveDone
	p.tell(false, v1alpha1.ReasonWaveDone, "wave "+w.status.Name+" of revision "+p.revision().Name+" is done")
	return true
}

// followApproval notes who let a wave begin, whenever that was said.
func (p *plan) followApproval(w *wave) {
	if w.spec == nil || w.spec.Approval != v1alpha1.ApprovalRequired || w.status.ApprovedAt != nil || p.revision().Number == 0 {
		return
	}
	if p.s.Group.Annotations[v1alpha1.AnnotationApprove] != WaveToken(p.next, w.status.Name) {
		return
	}
	w.status.ApprovedAt = p.now.DeepCopy()
	w.status.ApprovedBy = p.s.Group.Annotations[v1alpha1.AnnotationApprovedBy]
	p.tell(false, v1alpha1.ReasonApproved, "wave "+w.status.Name+" of revision "+p.revision().Name+" approved by "+orSomebody(w.status.ApprovedBy))
}

// WaveToken is what the annotation stargate.io/approve must say for a wave to begin.
func WaveToken(status *v1alpha1.ServerGroupStatus, wave string) string {
	return status.Revision.Name + "/" + wave
}
