package rollout_test

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// world is an API server with one group and what belongs to it, and a site that keeps its own record
// of what was done to its machines. Objects in it are never changed in place: what somebody read
// earlier stays as it was.
type world struct {
	now     time.Time
	group   *v1alpha1.ServerGroup
	profile rollout.Profile
	spec    v1alpha1.ProvisioningProfileSpec
	fleet   *v1alpha1.Fleet
	servers map[string]*v1alpha1.Server
	ops     map[string]*v1alpha1.Operation
	shared  map[string]string
	uids    int
	// wiped is the site's record.
	wiped []wipe
	// last is what was decided last.
	last rollout.Decision
}

// wipe is one job at the site.
type wipe struct {
	server, uid, op, rack string
	done, failed          bool
	end                   time.Time
}

func newWorld() *world {
	w := &world{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), servers: map[string]*v1alpha1.Server{},
		ops: map[string]*v1alpha1.Operation{}, shared: map[string]string{}}
	w.group = &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "dc-west", UID: "group-1", Generation: 1, Annotations: map[string]string{}}}
	w.group.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": "web"}
	w.group.Spec.ProvisioningProfileRef.Name = "os"
	return w
}

func (w *world) uid() types.UID {
	w.uids++
	return types.UID(fmt.Sprintf("uid%d", w.uids))
}

// setProfile gives the profile another content.
func (w *world) setProfile(version string) {
	w.spec = v1alpha1.ProvisioningProfileSpec{OSVersion: version}
	w.profile = rollout.Profile{Name: "os", Hash: hashOf(version), OSVersion: version, Inputs: rollout.Inputs(w.group, &w.spec), Apply: w.profile.Apply}
}

func hashOf(version string) string {
	return fmt.Sprintf("%08x%08x", crc32.ChecksumIEEE([]byte(version)), len(version))
}

// selected are the servers that the group selects, by name.
func selected(group *v1alpha1.ServerGroup, servers map[string]*v1alpha1.Server) []*v1alpha1.Server {
	selector, err := group.Spec.Selector.Selector()
	if err != nil {
		panic(err)
	}
	inFlight := map[string]bool{}
	for _, slot := range group.Status.InFlight {
		inFlight[slot.Server] = true
	}
	var found []*v1alpha1.Server
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if inFlight[name] || selector.Matches(labels.Set(servers[name].Labels)) {
			found = append(found, servers[name])
		}
	}
	return found
}

// snapshot of the world as it is.
func (w *world) snapshot() rollout.Snapshot { return w.snapshotOf(w.servers, w.ops) }

// snapshotOf the group as it is, and the servers and Operations as somebody saw them earlier.
func (w *world) snapshotOf(servers map[string]*v1alpha1.Server, ops map[string]*v1alpha1.Operation) rollout.Snapshot {
	s := rollout.Snapshot{Now: w.now, Group: w.group, Profile: w.profile, Servers: selected(w.group, servers),
		Operations: map[string]*v1alpha1.Operation{}, Gone: map[string]bool{}, SharedWith: w.shared, Fleet: w.fleet, Guarded: len(servers)}
	s.Profile.Inputs = rollout.Inputs(w.group, &w.spec)
	s.FleetName = w.group.Labels[v1alpha1.LabelFleet]
	inFlight := map[string]bool{}
	for _, slot := range w.group.Status.InFlight {
		inFlight[slot.Operation] = true
	}
	for name, op := range ops {
		if inFlight[name] || !op.Status.Phase.Terminal() {
			s.Operations[name] = op
		}
	}
	return s
}

// confirmed answers what a decision must know from the API server itself, until it asks no more.
func (w *world) confirmed(s rollout.Snapshot) rollout.Decision {
	d := rollout.Decide(s)
	for range 3 {
		if len(d.Confirm) == 0 {
			break
		}
		for _, name := range d.Confirm {
			if op := w.ops[name]; op != nil {
				s.Operations[name] = op
				continue
			}
			s.Gone[name] = true
			for _, slot := range s.Group.Status.InFlight {
				if slot.Operation == name {
					s.Servers = slices.DeleteFunc(s.Servers, func(o *v1alpha1.Server) bool { return o.Name == slot.Server })
					if server := w.servers[slot.Server]; server != nil {
						s.Servers = append(s.Servers, server)
					}
				}
			}
		}
		d = rollout.Decide(s)
	}
	return d
}

// write the status, as the API server stores it.
func (w *world) write(status *v1alpha1.ServerGroupStatus) (changed bool) {
	stored := stored(status)
	if equality.Semantic.DeepEqual(stored, &w.group.Status) {
		return false
	}
	w.group = w.group.DeepCopy()
	w.group.Status = *stored
	return true
}

// stored is what becomes of a status at the API server.
func stored(status *v1alpha1.ServerGroupStatus) *v1alpha1.ServerGroupStatus {
	text, err := json.Marshal(status)
	if err != nil {
		panic(err)
	}
	var back v1alpha1.ServerGroupStatus
	if err := json.Unmarshal(text, &back); err != nil {
		panic(err)
	}
	return &back
}

// carryOut makes and cancels what was decided.
func (w *world) carryOut(d *rollout.Decision) {
	for _, op := range d.Create {
		if w.ops[op.Name] == nil {
			made := op.DeepCopy()
			made.UID, made.CreationTimestamp = w.uid(), metav1.NewTime(w.now)
			made.Status.Phase = v1alpha1.OperationPending
			w.ops[op.Name] = made
		}
	}
	for _, name := range d.Cancel {
		if w.ops[name] != nil {
			w.editOp(name, func(op *v1alpha1.Operation) { op.Spec.Cancel = true })
		}
	}
}

func (w *world) editOp(name string, edit func(*v1alpha1.Operation)) {
	next := w.ops[name].DeepCopy()
	edit(next)
	w.ops[name] = next
}

func (w *world) editServer(name string, edit func(*v1alpha1.Server)) {
	next := w.servers[name].DeepCopy()
	edit(next)
	w.servers[name] = next
}

func (w *world) editGroup(edit func(*v1alpha1.ServerGroup)) {
	next := w.group.DeepCopy()
	edit(next)
	w.group = next
}

// lookAt an Operation that waits, as its controller does in the moment before the deed: start it, end
// it, or leave it be. It tells whether anything happened.
func (w *world) lookAt(name string) bool {
	op := w.ops[name]
	if op == nil || op.Status.Phase != v1alpha1.OperationPending {
		return false
	}
	server := w.servers[op.Spec.ServerRef.Name]
	switch {
	case op.Spec.Cancel:
		w.endOp(name, v1alpha1.OperationCancelled, v1alpha1.ReasonCancelled, "cancelled (spec.cancel)")
	case server == nil:
		w.endOp(name, v1alpha1.OperationCancelled, v1alpha1.ReasonServerDeleted, "the Server is gone")
	case string(server.UID) != op.Spec.ServerRef.UID && op.Spec.ServerRef.UID != "":
		w.endOp(name, v1alpha1.OperationCancelled, v1alpha1.ReasonServerRecreated, "the Server was made anew")
	case op.Spec.Expected != nil && op.Spec.Expected.ProfileHash != w.profile.Hash:
		w.endOp(name, v1alpha1.OperationCancelled, v1alpha1.ReasonProfileChanged, "the profile was edited")
	case op.Spec.Expected != nil && op.Spec.Expected.LastOperation != lastOf(server):
		w.endOp(name, v1alpha1.OperationCancelled, v1alpha1.ReasonServerChanged, "another Operation has ended on it since")
	case w.gated(op, server):
		return false
	default:
		w.start(name)
	}
	return true
}

func lastOf(server *v1alpha1.Server) string {
	if server.Status.LastOperation == nil {
		return ""
	}
	return server.Status.LastOperation.UID
}

// gated tells whether an Operation is held.
func (w *world) gated(op *v1alpha1.Operation, server *v1alpha1.Server) bool {
	r := &w.group.Spec.Rollout
	byRollout := op.Labels[v1alpha1.LabelGroup] != ""
	paused := r.Paused && (r.PausedUntil == nil || r.PausedUntil.After(w.now))
	suspended := w.fleet != nil && w.fleet.Spec.Suspend
	return byRollout && (paused || suspended) || server.Status.ActiveOperation != nil ||
		server.Spec.Paused || server.Spec.Maintenance || server.Status.Quarantine != nil
}

// start takes the claim and lets the site wipe the machine.
func (w *world) start(name string) {
	op := w.ops[name]
	w.editServer(op.Spec.ServerRef.Name, func(s *v1alpha1.Server) {
		s.Status.ActiveOperation = &v1alpha1.ActiveOperation{Name: name, UID: string(op.UID), PreviousState: s.Status.State}
		s.Status.State = v1alpha1.ServerProvisioning
	})
	w.editOp(name, func(op *v1alpha1.Operation) {
		op.Status.Phase = v1alpha1.OperationRunning
		op.Status.Attempts = []v1alpha1.Attempt{{Number: 1, RequestID: string(op.UID) + "-1"}}
		op.Status.DecidedOn = &v1alpha1.DecidedOn{ProfileHash: w.profile.Hash, OSVersion: w.profile.OSVersion}
	})
	w.wiped = append(w.wiped, wipe{server: op.Spec.ServerRef.Name, uid: string(w.servers[op.Spec.ServerRef.Name].UID), op: name, rack: w.servers[op.Spec.ServerRef.Name].Labels["rack"]})
}

// record the outcome of a running Operation on its Server, with which the claim is given back.
func (w *world) record(name string, phase v1alpha1.OperationPhase, message string) {
	op := w.ops[name]
	w.editServer(op.Spec.ServerRef.Name, func(s *v1alpha1.Server) {
		reason := string(phase)
		s.Status.ActiveOperation = nil
		s.Status.LastOperation = &v1alpha1.LastOperation{Name: name, UID: string(op.UID), Phase: phase, Reason: reason, Message: message, At: metav1.NewTime(w.now)}
		if phase == v1alpha1.OperationSucceeded {
			s.Status.State = v1alpha1.ServerReady
			s.Status.Applied = &v1alpha1.Applied{Profile: "os", Hash: op.Status.DecidedOn.ProfileHash, OSVersion: op.Status.DecidedOn.OSVersion, Operation: name, At: metav1.NewTime(w.now)}
			return
		}
		s.Status.State, s.Status.Applied = v1alpha1.ServerError, nil
		s.Status.Quarantine = &v1alpha1.Quarantine{Operation: name, UID: string(op.UID), Reason: reason, Message: message}
	})
	for i := range w.wiped {
		if w.wiped[i].op == name {
			w.wiped[i].done, w.wiped[i].failed, w.wiped[i].end = true, phase == v1alpha1.OperationFailed, w.now
		}
	}
}

// finish an Operation whose outcome is on the Server.
func (w *world) finish(name string) {
	last := w.servers[w.ops[name].Spec.ServerRef.Name].Status.LastOperation
	w.endOp(name, last.Phase, last.Reason, last.Message)
}

func (w *world) endOp(name string, phase v1alpha1.OperationPhase, reason, message string) {
	at := metav1.NewTime(w.now.Truncate(time.Second))
	w.editOp(name, func(op *v1alpha1.Operation) {
		op.Status.Phase, op.Status.Message, op.Status.CompletionTime = phase, message, &at
		meta.SetStatusCondition(&op.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionFalse, Reason: reason})
	})
}

// release a server from its quarantine.
func (w *world) release(name string) {
	w.editServer(name, func(s *v1alpha1.Server) {
		if s.Status.Quarantine == nil {
			return
		}
		metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationRelease, s.Status.Quarantine.UID)
		s.Status.Quarantine, s.Status.State = nil, v1alpha1.ServerUntouched
		if s.Status.Applied != nil {
			s.Status.State = v1alpha1.ServerReady
		}
	})
}
