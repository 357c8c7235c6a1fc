package fault

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine/rollout"
)

// history of the API server: at which of its revisions an Operation was made, and a commit was said to
// be whole. All is in one etcd, so that the revisions of different kinds compare.
type history struct {
	mu      sync.Mutex
	made    map[string]uint64 // Operation to revision
	commits map[string]string // Operation to commit
	whole   map[string]uint64 // commit to revision
}

// watch the API server itself until the test ends.
func (f *fleetRoom) watch() *history {
	f.Helper()
	kube, err := client.NewWithWatch(f.config, client.Options{Scheme: f.live.Scheme()})
	if err != nil {
		f.Fatal(err)
	}
	h := &history{made: map[string]uint64{}, commits: map[string]string{}, whole: map[string]uint64{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	f.Cleanup(func() { cancel(); wait.Wait() })
	follow := func(list client.ObjectList, options ...client.ListOption) {
		w, err := kube.Watch(ctx, list, options...)
		if err != nil {
			f.Fatal(err)
		}
		wait.Go(func() {
			defer w.Stop()
			for event := range w.ResultChan() {
				h.note(event)
			}
			if ctx.Err() == nil {
				f.Error("a watch of the judge ended: it does not know everything")
			}
		})
	}
	follow(&v1alpha1.FleetList{}, client.MatchingFields{"metadata.name": f.fleet.Name})
	for _, namespace := range f.namespaces() {
		follow(&v1alpha1.OperationList{}, client.InNamespace(namespace))
	}
	return h
}

func (h *history) note(event watch.Event) {
	object, ok := event.Object.(client.Object)
	if !ok {
		return
	}
	revision, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch o := object.(type) {
	case *v1alpha1.Operation:
		if event.Type == watch.Added {
			h.made[string(o.UID)], h.commits[string(o.UID)] = revision, o.Annotations[v1alpha1.AnnotationCommit]
		}
	case *v1alpha1.Fleet:
		_, commit, _ := strings.Cut(o.Status.LastAppliedRevision, "sha1:")
		if _, known := h.whole[commit]; !known {
			h.whole[commit] = revision
		}
	}
}

// nothingBegan fails where something was begun on account of a commit that is not whole. The controller
// is dead as this is asked.
func (f *fleetRoom) nothingBegan() {
	applies := int(f.now().Status.Applies)
	versions := map[string]bool{}
	for _, commit := range f.commits[:min(applies, len(f.commits))] {
		versions[commit.version] = true
	}
	for _, r := range []*room{f.room, f.east} {
		var ops v1alpha1.OperationList
		if err := f.live.List(context.Background(), &ops, client.InNamespace(r.namespace)); err != nil {
			f.Error(err)
		}
		if want := applies * f.head().grouped(); len(ops.Items) > want {
			f.Errorf("%d commits are whole, and there are %d Operations in %s, more than the %d of those", applies, len(ops.Items), r.namespace, want)
		}
		for _, event := range r.site.Record() {
			if event.Kind == site.Accepted && !versions[event.Job.OSVersion] {
				f.Errorf("machine %s got %s of a commit that is not whole", event.ServerID, event.Job.OSVersion)
			}
		}
	}
}

// judgeFleet judges the end: applied are the commits that became whole, by number.
func (f *fleetRoom) judgeFleet(applied ...pushed) {
	f.Helper()
	f.judgeStatus(applied)
	f.judgeOrder(applied)
	for _, r := range []*room{f.room, f.east} {
		f.judgeObjects(r.namespace, applied)
		f.judgeRecord(r, applied)
	}
}

// judgeStatus looks at what the fleet tells: each commit once.
func (f *fleetRoom) judgeStatus(applied []pushed) {
	f.Helper()
	status, last := f.now().Status, applied[len(applied)-1]
	if status.Applies != int64(len(applied)) || status.Applying != nil || !strings.HasSuffix(status.LastAppliedRevision, last.hash) ||
		!strings.HasSuffix(status.LastAttemptedRevision, last.hash) || status.Failures != 0 || len(status.Errors) > 0 || len(status.Holds) > 0 {
		f.Errorf("at the end the fleet says %+v", status)
	}
	told := map[string]int{}
	for _, line := range status.History {
		told[line.Revision]++
		if line.Result == v1alpha1.FleetApplied {
			told["applied"]++
		}
	}
	for _, commit := range f.commits {
		if times := told["main@sha1:"+commit.hash]; times > 1 {
			f.Errorf("history tells %d times of %s", times, commit.hash)
		}
	}
	for _, commit := range applied {
		if told["main@sha1:"+commit.hash] != 1 || told["applied"] != len(applied) {
			f.Errorf("history: %+v", status.History)
		}
	}
	objects := 2 * len(last.objects(""))
	kinds := 0
	if status.Inventory == nil {
		f.Fatal("there is no inventory")
	}
	for _, kind := range status.Inventory.Kinds {
		kinds += int(kind.Count)
	}
	if int(status.Inventory.Objects) != objects || kinds != objects || status.Inventory.Digest == "" {
		f.Errorf("the inventory is %+v, of %d objects", status.Inventory, objects)
	}
}

// judgeOrder: no Operation was made before its commit was said to be whole.
func (f *fleetRoom) judgeOrder(applied []pushed) {
	f.Helper()
	f.history.mu.Lock()
	defer f.history.mu.Unlock()
	count := map[string]int{}
	for uid, revision := range f.history.made {
		commit := f.history.commits[uid]
		count[commit]++
		whole, known := f.history.whole[commit]
		if !known || revision < whole {
			f.Errorf("an Operation of %s was made at revision %d, and the commit was whole at %d (%t)", commit, revision, whole, known)
		}
	}
	for _, commit := range applied {
		if count[commit.hash] != 2*commit.grouped() {
			f.Errorf("%s made %d Operations, not %d", commit.hash, count[commit.hash], 2*commit.grouped())
		}
	}
}

// judgeObjects compares each object with the last commit, and looks for what should not be there.
func (f *fleetRoom) judgeObjects(namespace string, applied []pushed) {
	f.Helper()
	last := applied[len(applied)-1]
	wanted := last.keys(namespace)
	others := 0
	for _, list := range []client.ObjectList{&v1alpha1.ServerList{}, &v1alpha1.ServerGroupList{}, &v1alpha1.ProvisioningProfileList{}} {
		if err := f.live.List(context.Background(), list, client.InNamespace(namespace)); err != nil {
			f.Fatal(err)
		}
		_ = meta.EachListItem(list, func(object runtime.Object) error {
			live := object.(client.Object) //nolint:forcetypeassert // items of an ObjectList are Objects
			want := wanted[keyOf(live)]
			delete(wanted, keyOf(live))
			switch {
			case live.GetLabels()[v1alpha1.LabelFleet] == "" && want == nil:
				others++
			case want == nil || live.GetDeletionTimestamp() != nil:
				f.Errorf("%s should be gone", keyOf(live))
			default:
				f.judgeObject(live, want, applied)
			}
			return nil
		})
	}
	for key := range wanted {
		f.Errorf("%s is missing", key)
	}
	if others != 2 { // a server and a profile
		f.Errorf("of 2 objects that are none of the fleet's, %d are left", others)
	}
}

// judgeObject compares one with what the commit says, and its stamps with the commit that last changed it.
func (f *fleetRoom) judgeObject(live, want client.Object, applied []pushed) {
	f.Helper()
	number := len(applied)
	for number > 1 && live.GetLabels()["since"] == "ever" {
		number--
	}
	commit := applied[number-1]
	stamps := live.GetAnnotations()
	if stamps[v1alpha1.AnnotationCommit] != commit.hash || stamps[v1alpha1.AnnotationApply] != strconv.Itoa(number) ||
		live.GetLabels()[v1alpha1.LabelFleet] != f.fleet.Name || !strings.HasPrefix(stamps[v1alpha1.AnnotationSource], "datacenters/"+live.GetNamespace()+"/all.yaml:") {
		f.Errorf("%s is stamped %v %v, and came with commit %d, %s", keyOf(live), live.GetLabels(), stamps, number, commit.hash)
	}
	for key, value := range want.GetLabels() {
		if live.GetLabels()[key] != value {
			f.Errorf("%s has the labels %v, not %v", keyOf(live), live.GetLabels(), want.GetLabels())
		}
	}
	same := false
	switch o := live.(type) {
	case *v1alpha1.Server:
		w := want.(*v1alpha1.Server) //nolint:forcetypeassert // the key has the kind
		same = o.Spec.MAC == w.Spec.MAC && o.Spec.IPv4 == w.Spec.IPv4
	case *v1alpha1.ProvisioningProfile:
		w := want.(*v1alpha1.ProvisioningProfile) //nolint:forcetypeassert // the key has the kind
		same = o.Spec.OSVersion == w.Spec.OSVersion && o.Spec.OSImage == w.Spec.OSImage
	case *v1alpha1.ServerGroup:
		w := want.(*v1alpha1.ServerGroup) //nolint:forcetypeassert // the key has the kind
		same = equality.Semantic.DeepEqual(o.Spec.Selector, w.Spec.Selector) && o.Spec.ProvisioningProfileRef == w.Spec.ProvisioningProfileRef
		f.judgeRelease(o, number, commit)
	}
	if !same {
		f.Errorf("%s is %+v, not %+v", keyOf(live), live, want)
	}
}

// judgeRelease: a group was released for each of its servers, by the apply that made it so.
func (f *fleetRoom) judgeRelease(group *v1alpha1.ServerGroup, number int, commit pushed) {
	f.Helper()
	servers := commit.web
	if group.Name == "db" {
		servers = commit.db
	}
	release, err := rollout.ParseRelease(group.Annotations[v1alpha1.AnnotationReleased])
	if err != nil || release.Apply != int64(number) || release.Repaves != int32(servers) {
		f.Errorf("group %s was released as %+v (%v), not by apply %d for %d servers", group.Name, release, err, number, servers)
	}
}

// judgeRecord: each machine of the groups got each commit once, and no other got anything.
func (f *fleetRoom) judgeRecord(r *room, applied []pushed) {
	f.Helper()
	r.jobs() // I1 and I2
	got := map[string]int{}
	for _, event := range r.site.Record() {
		if event.Kind == site.Accepted {
			got[event.ServerID+" "+event.Job.OSVersion]++
			f.history.mu.Lock()
			if _, known := f.history.made[strings.TrimSuffix(event.RequestID, "-1")]; !known {
				f.Errorf("job %s is of no Operation that was made: %s", event.JobID, event.RequestID)
			}
			f.history.mu.Unlock()
		}
	}
	for _, commit := range applied {
		for n := 1; n <= commit.grouped(); n++ {
			key := serverName(n) + " " + commit.version
			if got[key] != 1 {
				f.Errorf("machine %s was repaved %d times", key, got[key])
			}
			delete(got, key)
		}
	}
	for key, times := range got {
		f.Errorf("machine %s was repaved %d times, though nobody asked for it", key, times)
	}
}
