package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/gitserver"
)

// annotate the Fleet.
func (r *FleetRoom) annotate(key, value string) {
	r.Helper()
	r.Edit(r.Fleet, func() { metav1.SetMetaDataAnnotation(&r.Fleet.ObjectMeta, key, value) })
}

// untouched fails unless the commit changed no object of the room: none has another stamp than before.
func (r *FleetRoom) untouched(what string, before map[string]string) {
	r.Helper()
	now := r.versions()
	for key, version := range before {
		if now[key] != version {
			r.Errorf("%s: %s is %s, and was %s", what, key, now[key], version)
		}
	}
	if len(now) != len(before) {
		r.Errorf("%s: there are %d objects, and were %d", what, len(now), len(before))
	}
}

// versions of the room's objects: what they were last applied from.
func (r *FleetRoom) versions() map[string]string {
	r.Helper()
	versions := map[string]string{}
	for _, list := range []client.ObjectList{&v1alpha1.ServerList{}, &v1alpha1.ServerGroupList{}, &v1alpha1.ProvisioningProfileList{}} {
		if err := r.Client.List(r.Context(), list, client.InNamespace(r.Namespace)); err != nil {
			r.Fatal(err)
		}
		_ = meta.EachListItem(list, func(object runtime.Object) error {
			o := object.(client.Object) //nolint:forcetypeassert // items of an ObjectList are Objects
			versions[strings.TrimPrefix(fmt.Sprintf("%T", o), "*v1alpha1.")+"/"+o.GetName()] = o.GetAnnotations()[v1alpha1.AnnotationCommit]
			return nil
		})
	}
	return versions
}

// TestGuardHoldsTheFirstCommit: machines of which nothing is known count as repaves, and nothing happens
// until somebody approves that very commit.
func TestGuardHoldsTheFirstCommit(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	r.Fleet.Spec.Guard = v1alpha1.Guard{}
	commit := r.PushWorld("2.0.0", 3)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilReady(v1alpha1.ReasonApprovalRequired, "3 repaves", commit, "stargate approve fleet")
	r.shows(r.Fleet, status.InProgressStatus)
	if p := r.Fleet.Status.Pending; p == nil || p.Commit != commit || p.Repaves != 3 || len(r.Fleet.Status.Holds) != 1 {
		t.Errorf("pending %+v, holds %+v", p, r.Fleet.Status.Holds)
	}
	r.untouched("held", map[string]string{})
	r.Unasked()

	r.annotate(v1alpha1.AnnotationApprove, strings.Repeat("0", 40))
	r.annotate(v1alpha1.AnnotationRequestedAt, "now")
	r.Until(r.Fleet, "looked at again", func() bool { return r.Fleet.Status.LastHandledRequestedAt == "now" })
	r.UntilReady(v1alpha1.ReasonApprovalRequired)
	r.Unasked()

	r.annotate(v1alpha1.AnnotationApprovedBy, "ann") // which the API server overwrites with the truth
	r.annotate(v1alpha1.AnnotationApprove, commit[:12])
	r.UntilApplied(commit)
	if line := r.Fleet.Status.History[0]; line.ApprovedBy != "kubernetes-admin" || line.Result != v1alpha1.FleetApplied || len(r.Fleet.Status.History) != 1 {
		t.Errorf("history: %+v", r.Fleet.Status.History)
	}
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 3 {
		t.Errorf("%d jobs", len(jobs))
	}
}

// TestBrokenCommitChangesNothing, and the next good one goes through.
func TestBrokenCommitChangesNothing(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	good := r.PushWorld("2.0.0", 2)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(good)
	before := r.versions()

	bad := r.Push("typo", map[string]string{
		r.at("profile.yaml"): strings.Replace(profileFile("2.1.0"), "osVersion", "osVersoin", 1),
		r.at("extra.yaml"):   "apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: server-009}\nspec: {mac: nonsense, ipv4: 10.0.0.9}\n",
	})
	r.Notify()
	r.UntilReady(v1alpha1.ReasonCommitInvalid, bad[:7], "stays applied", good[:7])
	r.shows(r.Fleet, status.FailedStatus)
	if !strings.HasSuffix(r.Fleet.Status.LastAttemptedRevision, bad) || !strings.HasSuffix(r.Fleet.Status.LastAppliedRevision, good) {
		t.Errorf("attempted %s, applied %s", r.Fleet.Status.LastAttemptedRevision, r.Fleet.Status.LastAppliedRevision)
	}
	files := map[string]bool{}
	for _, problem := range r.Fleet.Status.Errors {
		files[problem.Path] = files[problem.Path] || problem.Line > 0
	}
	if !files[r.at("profile.yaml")] || !files[r.at("extra.yaml")] {
		t.Errorf("errors: %+v", r.Fleet.Status.Errors)
	}
	r.untouched("a broken commit", before)
	if line := r.Fleet.Status.History[0]; line.Result != v1alpha1.FleetRefused {
		t.Errorf("history: %+v", line)
	}

	mended := r.Push("mend", map[string]string{r.at("profile.yaml"): profileFile("2.1.0"), r.at("extra.yaml"): "# nothing\n"})
	r.Notify()
	r.UntilApplied(mended)
	if len(r.Fleet.Status.Errors) != 0 {
		t.Errorf("errors stay: %+v", r.Fleet.Status.Errors)
	}
	r.Applies(2)
}

// TestSuspendedFleet does nothing, and says so; what was pushed meanwhile comes in once it is resumed.
func TestSuspendedFleet(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 2)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	r.Edit(r.Fleet, func() { r.Fleet.Spec.Suspend, r.Fleet.Spec.Reason = true, "freeze" })
	r.UntilReady(v1alpha1.ReasonSuspended, "freeze", "stays applied")
	looked := len(r.Git.Requests())
	before := r.versions()
	second := r.PushWorld("2.1.0", 2)
	r.Notify()
	r.annotate(v1alpha1.AnnotationRequestedAt, "while suspended")
	// The controller has its chance: another edit of the Fleet is seen.
	r.Edit(r.Fleet, func() { r.Fleet.Spec.Reason = "freeze until Monday" })
	r.UntilReady(v1alpha1.ReasonSuspended, "freeze until Monday")
	r.untouched("suspended", before)
	if got := len(r.Git.Requests()); got > looked {
		t.Errorf("a suspended fleet made %d requests", got-looked)
	}
	until := metav1.NewTime(time.Now().Add(2 * time.Second))
	r.Edit(r.Fleet, func() { r.Fleet.Spec.SuspendUntil = &until })
	r.UntilApplied(second)
}

// TestDriftIsPutBack at once, whatever was changed: edited, deleted, unlabelled.
func TestDriftIsPutBack(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	commit := r.PushWorld("2.0.0", 3)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(commit)
	profile := &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "os"}}
	r.Edit(profile, func() { profile.Spec.OSVersion = "6.6.6" })
	r.Until(profile, "put back", func() bool { return profile.Spec.OSVersion == "2.0.0" })
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "web"}}
	r.Edit(group, func() { delete(group.Annotations, v1alpha1.AnnotationReleased) })
	r.Until(group, "stamped again", func() bool { return group.Annotations[v1alpha1.AnnotationReleased] != "" })
	r.Delete(group)
	r.Until(group, "made again", func() bool { return group.DeletionTimestamp == nil && group.UID != "" })
	server := r.Server(2)
	r.Edit(server, func() { delete(server.Labels, v1alpha1.LabelFleet) })
	r.Until(server, "labelled again", func() bool { return server.Labels[v1alpha1.LabelFleet] == r.Fleet.Name })
	r.UntilApplied(commit)
	r.Applies(1)
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 3 {
		t.Errorf("%d jobs: drift moved a machine", len(jobs))
	}
	r.Eventually("the event", func() bool {
		events := &corev1.EventList{}
		if err := r.Client.List(r.Context(), events); err != nil {
			t.Fatal(err)
		}
		for i := range events.Items {
			if events.Items[i].InvolvedObject.Name == r.Fleet.Name && events.Items[i].Reason == v1alpha1.ReasonDriftPutBack {
				return true
			}
		}
		return false
	})
}
