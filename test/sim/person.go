package sim

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/engine/profile"
)

// patience is how long people wait before they look at a machine: nothing that was sent before can
// land on it any more.
const patience = latest + 2*callTimeout + time.Minute

// person does what people do: at random what they please, and with patience what they are asked to.
type person struct {
	world *world
	made  int
	// forced is when a finalizer was last taken away.
	forced time.Duration
	// quarantined is since when a quarantine is known, by its UID; doubts are Servers of which people know more than status.
	quarantined map[string]time.Duration
	doubts      map[types.UID]bool
}

// edit changes an object at the API server, as kubectl does.
func (h *person) edit(k kind, name string, change func(client.Object)) bool {
	stored := h.world.api.get(k, name)
	if stored == nil {
		return false
	}
	next := clone(stored)
	change(next)
	return h.world.api.update(k, next) == nil
}

// order creates an Operation.
func (h *person) order() {
	w := h.world
	names := w.api.names(servers)
	if len(names) == 0 {
		return
	}
	h.made++
	op := &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("op-%02d", h.made)},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: names[w.random.IntN(len(names))]}, Operation: v1alpha1.ActionRepave,
			ProvisioningProfileRef: &v1alpha1.LocalReference{Name: "os"}, Priority: int32(w.random.IntN(3)), Retries: int32(w.random.IntN(3))},
	}
	if w.options.Undisturbed {
		op.Finalizers = []string{v1alpha1.Finalizer}
		_ = w.api.create(operations, op)
		return
	}
	if w.chance(4) {
		op.Spec.Operation, op.Spec.ProvisioningProfileRef = v1alpha1.ActionReboot, nil
	}
	if op.Spec.Operation == v1alpha1.ActionRepave && w.chance(3) {
		op.Spec.Expected = h.asItIs(op)
	}
	if w.chance(3) {
		op.Spec.Timeout = &metav1.Duration{Duration: w.between(20*time.Second, 5*time.Minute).Truncate(time.Second)}
	}
	if w.chance(4) {
		ttl := int32(w.random.IntN(600))
		op.Spec.TTLSecondsAfterFinished = &ttl
	}
	if !w.chance(4) {
		op.Finalizers = []string{v1alpha1.Finalizer}
	}
	w.note("person", "orders %s, %s of %s", op.Name, op.Spec.Operation, op.Spec.ServerRef.Name)
	_ = w.api.create(operations, op)
}

// asItIs is what a rollout would say that it made an Operation for.
func (h *person) asItIs(op *v1alpha1.Operation) *v1alpha1.Expected {
	expected := &v1alpha1.Expected{}
	if object, ok := h.world.api.get(profiles, op.Spec.ProvisioningProfileRef.Name).(*v1alpha1.ProvisioningProfile); ok {
		expected.ProfileHash = profile.Hash(&object.Spec, profile.Documents{})
	}
	if server := h.world.api.get(servers, op.Spec.ServerRef.Name).(*v1alpha1.Server); server.Status.LastOperation != nil {
		expected.LastOperation = server.Status.LastOperation.UID
	}
	return expected
}

// any picks an Operation that has not ended; "" for none.
func (h *person) any() string {
	w := h.world
	var live []string
	for _, name := range w.api.names(operations) {
		if op := w.api.get(operations, name).(*v1alpha1.Operation); !op.Status.Phase.Terminal() {
			live = append(live, name)
		}
	}
	if len(live) == 0 {
		return ""
	}
	return live[w.random.IntN(len(live))]
}

func (h *person) cancel() bool {
	name := h.any()
	return h.edit(operations, name, func(o client.Object) { o.(*v1alpha1.Operation).Spec.Cancel = true })
}

func (h *person) delete() bool {
	name := h.any()
	return name != "" && h.world.api.delete(operations, name, "", "") == nil
}

// force takes the finalizer of a deleted Operation away: whatever it does, nobody looks after it.
func (h *person) force() bool {
	name := h.any()
	if name == "" {
		return false
	}
	h.forced = h.world.now
	_ = h.world.api.delete(operations, name, "", "")
	return h.edit(operations, name, func(o client.Object) { o.SetFinalizers(nil) })
}

func (h *person) pause() bool {
	w := h.world
	if w.chance(2) {
		names := w.api.names(datacenters)
		return h.edit(datacenters, names[w.random.IntN(len(names))], func(o client.Object) {
			dc := o.(*v1alpha1.Datacenter)
			dc.Spec.Paused = !dc.Spec.Paused
		})
	}
	return h.edit(servers, h.anyServer(), func(o client.Object) {
		server := o.(*v1alpha1.Server)
		server.Spec.Paused = !server.Spec.Paused
	})
}

func (h *person) anyServer() string {
	names := h.world.api.names(servers)
	if len(names) == 0 {
		return ""
	}
	return names[h.world.random.IntN(len(names))]
}

func (h *person) editProfile() bool {
	return h.edit(profiles, "os", func(o client.Object) {
		o.(*v1alpha1.ProvisioningProfile).Spec.OSVersion = fmt.Sprintf("%d.0.0", 2+h.world.random.IntN(3))
	})
}

func (h *person) editLimit() bool {
	names := h.world.api.names(datacenters)
	return h.edit(datacenters, names[h.world.random.IntN(len(names))], func(o client.Object) {
		o.(*v1alpha1.Datacenter).Spec.Limits.ConcurrentOperations = int32(h.world.random.IntN(3))
	})
}

// replace deletes a Server and makes it again under its name, for the same machine or for another.
func (h *person) replace() bool {
	w := h.world
	name := h.anyServer()
	old, ok := w.api.get(servers, name).(*v1alpha1.Server)
	// Who deletes a Server in quarantine deletes the warning with it, and so looks at the machine first.
	if !ok || old.Status.Quarantine != nil || w.api.delete(servers, name, "", "") != nil {
		return false
	}
	w.after(w.between(0, 30*time.Second), func() { h.makeServer(name, old.Spec) })
	return true
}

// makeServer tries until the name is free, and nothing more can land on the machine of what nobody
// looks after any more. It ends what still runs there, whose warning went with the Server before it.
func (h *person) makeServer(name string, spec v1alpha1.ServerSpec) {
	w := h.world
	server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	if (h.forced > 0 && w.now-h.forced < patience) || w.api.create(servers, server) != nil {
		w.after(5*time.Second, func() { h.makeServer(name, spec) })
		return
	}
	h.clear(w.sites[spec.DatacenterRef.Name], spec.MAC)
	// What a new Server says of a machine that others have worked on is not known to anybody.
	h.doubts[w.api.get(servers, name).GetUID()] = true
	w.note("person", "made %s anew", name)
}

// round is a look at everything that asks for a person.
func (h *person) round() {
	w := h.world
	for _, name := range w.api.names(operations) {
		h.resolve(w.api.get(operations, name).(*v1alpha1.Operation))
	}
	for _, name := range w.api.names(servers) {
		h.release(w.api.get(servers, name).(*v1alpha1.Server))
	}
	if !w.calm || !w.settled() {
		w.after(w.between(30*time.Second, 90*time.Second), h.round)
	}
}

// resolve says of a parked Operation what became of its request.
func (h *person) resolve(op *v1alpha1.Operation) {
	w := h.world
	since, parked := w.judge.parked[op.UID]
	if !parked || w.now-since < patience || operation.StageOf(&op.Status) != operation.StageParked {
		return
	}
	attempt, word := op.Status.LastAttempt(), "it-did-not"
	if made := w.sites[op.Status.DecidedOn.Datacenter].byRequest[attempt.RequestID]; made != nil {
		if !made.phase.Terminal() {
			if made.end == "" {
				w.sites[op.Status.DecidedOn.Datacenter].finish(made, drivers.JobFailed)
			}
			return
		}
		word = "it-ran"
		if made.phase != drivers.JobSucceeded {
			// Neither word is true of a job that failed; what is then said of the machine is this person's.
			h.doubts[types.UID(op.Status.DecidedOn.ServerUID)] = true
		}
	}
	w.note("person", "resolves %s: %s", op.Name, word)
	h.edit(operations, op.Name, func(o client.Object) {
		metav1.SetMetaDataAnnotation(&o.(*v1alpha1.Operation).ObjectMeta, v1alpha1.AnnotationResolve, attempt.RequestID+"="+word)
	})
}

// release takes a Server out of quarantine, after a look at the machine.
func (h *person) release(server *v1alpha1.Server) {
	w, q := h.world, server.Status.Quarantine
	if q == nil {
		return
	}
	since, known := h.quarantined[q.UID]
	if !known {
		h.quarantined[q.UID] = w.now
		return
	}
	if w.now-since < patience {
		return
	}
	s := w.sites[server.Spec.DatacenterRef.Name]
	h.clear(s, server.Spec.MAC)
	h.doubts[server.UID] = true
	w.note("person", "releases %s", server.Name)
	h.edit(servers, server.Name, func(o client.Object) {
		metav1.SetMetaDataAnnotation(&o.(*v1alpha1.Server).ObjectMeta, v1alpha1.AnnotationRelease, q.UID)
	})
}

// clear ends at the site what still runs on a machine.
func (h *person) clear(s *site, mac string) {
	for _, live := range append([]*job(nil), s.machine(mac).live...) {
		h.world.note("person", "ends %s at the site", live.id)
		s.finish(live, drivers.JobFailed)
	}
}
