package apply_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/test/proxy"
)

func TestOneRequestForEachChange(t *testing.T) {
	w := newWorld(t)
	w.files["site.yaml"], w.files["servers.yaml"] = siteYAML, servers(5)
	if got := w.mustApply(8); got.Created != 8 {
		t.Errorf("%+v", got)
	}
	s := w.server("s0")
	for key, want := range map[string]string{
		v1alpha1.AnnotationCommit: "c1", v1alpha1.AnnotationAuthor: "Ann <ann@example.com>", v1alpha1.AnnotationApply: "1",
		v1alpha1.AnnotationSource: "datacenters/" + w.ns + "/servers.yaml:1", v1alpha1.AnnotationSignedBy: "",
	} {
		if s.Annotations[key] != want {
			t.Errorf("%s is %q, not %q", key, s.Annotations[key], want)
		}
	}
	if s.Labels[v1alpha1.LabelFleet] != w.fleet {
		t.Error("not of the fleet")
	}
	if got := w.mustApply(0); got.Unchanged != 8 {
		t.Errorf("%+v", got)
	}

	// One changes; only that one tells of the new commit.
	w.stamp.Commit, w.stamp.Number = "c2", 2
	w.files["servers.yaml"] = servers(4) + serverYAML(4, ", maintenance: true")
	if got := w.mustApply(1); got.Updated != 1 || got.Unchanged != 7 {
		t.Errorf("%+v", got)
	}
	if !w.server("s4").Spec.Maintenance || w.server("s4").Annotations[v1alpha1.AnnotationCommit] != "c2" || w.server("s0").Annotations[v1alpha1.AnnotationCommit] != "c1" {
		t.Error("not as it should be")
	}

	// What is not in the repository any more goes.
	w.files["servers.yaml"] = servers(5)
	w.mustApply(1)
	if w.server("s4").Spec.Maintenance {
		t.Error("a field that left the repository stays")
	}

	// A group is sent for what it goes by, though nothing of it changed.
	w.restamp["web"] = "" // both of that name
	plan := w.plan()
	if !plan.Empty() {
		t.Fatalf("%+v", plan)
	}
	desired := w.desired()
	i := slices.IndexFunc(desired, func(d apply.Desired) bool { return d.Object.Key().Kind.Kind == "ServerGroup" })
	desired[i].Restamp = "its members changed"
	plan = apply.Changes(desired, w.live(), apply.Options{Fleet: w.fleet, Prune: true})
	if len(plan.Changes) != 1 || plan.Changes[0].Cause != apply.CauseRestamp || plan.Changes[0].Why != "its members changed" {
		t.Fatalf("%+v", plan.Changes)
	}
	w.stamp.Released = map[tree.Key]string{desired[i].Object.Key(): "2 a b 3"}
	if _, err := w.applier.Apply(w.ctx, plan, w.stamp); err != nil {
		t.Fatal(err)
	}
	group := w.all()[desired[i].Object.Key()]
	if group.GetAnnotations()[v1alpha1.AnnotationReleased] != "2 a b 3" {
		t.Errorf("%v", group.GetAnnotations())
	}
	w.mustApply(0)
}

func TestDriftIsPutBack(t *testing.T) {
	w := newWorld(t)
	w.files["site.yaml"], w.files["servers.yaml"] = siteYAML, servers(1)
	w.mustApply(4)
	s := w.server("s0")
	s.Spec.IPv4, s.Spec.Paused, s.Labels["rack"], s.Labels["mine"] = "10.9.9.9", true, "r2", "x"
	if err := w.direct.Update(w.ctx, s); err != nil {
		t.Fatal(err)
	}
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "web"}}
	if err := w.direct.Get(w.ctx, client.ObjectKeyFromObject(group), group); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(group.Spec.Rollout.Waves)
	group.Annotations[v1alpha1.AnnotationReleased] = "9 x y 1000"
	if err := w.direct.Update(w.ctx, group); err != nil {
		t.Fatal(err)
	}
	plan := w.plan()
	if len(plan.Changes) != 2 || plan.Changes[0].Cause != apply.CauseDrift || plan.Changes[1].Cause != apply.CauseDrift {
		t.Fatalf("%+v", plan.Changes)
	}
	w.mustApply(2)
	s = w.server("s0")
	if s.Spec.IPv4 != "10.0.0.0" || s.Labels["rack"] != "r1" {
		t.Errorf("not put back: %+v", s.Spec)
	}
	if !s.Spec.Paused || s.Labels["mine"] != "x" {
		t.Error("what others set is theirs")
	}
	w.mustApply(0)
	if err := w.direct.Get(w.ctx, client.ObjectKeyFromObject(group), group); err != nil {
		t.Fatal(err)
	}
	if group.Spec.Rollout.Waves[0].Name != "canary" {
		t.Error("waves are still the other way round")
	}
}

// TestNothingDiffersOnceApplied sends every field of every kind, and sees nothing to send after it.
func TestNothingDiffersOnceApplied(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []string{"datacenter", "hook", "policy", "provisioningprofile", "server", "servergroup"} {
		paths, err := filepath.Glob("../../test/api/testdata/" + kind + "/valid/*.yaml")
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i, doc := range strings.Split(string(text), "\n---\n") {
				w.one(t, path, i, kind, doc)
			}
		}
	}
}

// one object alone is applied and looked at again.
func (w *world) one(t *testing.T, path string, i int, kind, doc string) {
	folder := "datacenters/" + w.ns
	if kind == "hook" || kind == "policy" {
		folder = map[string]string{"hook": "hooks", "policy": "policies"}[kind]
	}
	read, problems := tree.Read([]tree.File{{Path: folder + "/x.yaml", Data: []byte(doc)}}, tree.Options{Fleet: w.fleet, Schemas: schemas})
	if len(problems) > 0 { // for what it refers to, which is not there
		o := &tree.Object{Content: &unstructured.Unstructured{}}
		if err := yaml.Unmarshal([]byte(doc), &o.Content.Object); err != nil {
			t.Fatal(path, err)
		}
		if folder == "datacenters/"+w.ns {
			o.Content.SetNamespace(w.ns)
		}
		read = &tree.Tree{Objects: []*tree.Object{o}}
	}
	var desired []apply.Desired
	for _, o := range read.Objects {
		desired = append(desired, apply.Desired{Object: o})
	}
	plan := apply.Changes(desired, apply.Live{}, apply.Options{Fleet: w.fleet})
	if _, err := w.applier.Apply(w.ctx, plan, w.stamp); err != nil {
		t.Errorf("%s, %d: %v", path, i, err)
		return
	}
	plan = apply.Changes(desired, w.live(), apply.Options{Fleet: w.fleet})
	if !plan.Empty() || plan.Unchanged != len(desired) {
		t.Errorf("%s, %d: %+v", path, i, plan.Changes)
	}
	for j := range desired {
		desired[j].Object.Typed = nil // without the defaults, field by field
	}
	if plan = apply.Changes(desired, w.live(), apply.Options{Fleet: w.fleet}); !plan.Empty() {
		t.Errorf("%s, %d, untyped: %+v", path, i, plan.Changes)
	}
}

func TestAnotherFleetsObject(t *testing.T) {
	w := newWorld(t)
	w.files["servers.yaml"] = servers(2)
	w.mustApply(2)
	theirs := w.server("s1")
	theirs.Labels[v1alpha1.LabelFleet] = "other"
	if err := w.direct.Update(w.ctx, theirs); err != nil {
		t.Fatal(err)
	}
	w.files["servers.yaml"] = serverYAML(0, ", maintenance: true") + serverYAML(1, "")
	plan := w.plan()
	if len(plan.Refused) != 1 || plan.Refused[0].Owner != "other" || plan.Refused[0].Line != 6 {
		t.Fatalf("%+v", plan.Refused)
	}
	_, requests, err := w.apply()
	var failure *apply.Failure
	if !errors.As(err, &failure) || !failure.Refused() || requests != 0 {
		t.Fatalf("%d requests, %v", requests, err)
	}
	if text := err.Error(); !strings.Contains(text, "servers.yaml:6") || !strings.Contains(text, `fleet "other"`) {
		t.Error(text)
	}
	// It is not pruned either.
	w.files["servers.yaml"] = servers(1)
	w.mustApply(0)
}

func TestPruneInReverse(t *testing.T) {
	w := newWorld(t)
	w.files["site.yaml"], w.files["servers.yaml"] = siteYAML, servers(3)
	w.mustApply(6)
	w.files = map[string]string{}
	w.prune = false
	if plan := w.plan(); !plan.Empty() || len(plan.Left) != 6 {
		t.Fatalf("%+v", plan)
	}
	w.prune = true
	var order []string
	w.proxy.Use(func(c proxy.Call) proxy.Action {
		if c.Verb == "delete" && !slices.Contains(order, c.Resource) {
			order = append(order, c.Resource)
		}
		return proxy.Action{}
	})
	if got := w.mustApply(6); got.Pruned != 6 {
		t.Errorf("%+v", got)
	}
	if got := strings.Join(order, " "); got != "servergroups servers provisioningprofiles datacenters" {
		t.Error(got)
	}
	w.mustApply(0) // what is on its way out is not deleted twice
}

func TestBusyServerWaits(t *testing.T) {
	w := newWorld(t)
	w.files["site.yaml"], w.files["servers.yaml"] = siteYAML, servers(3)
	w.mustApply(6)
	w.claim("s1", "op1")
	w.files = map[string]string{"servers.yaml": servers(1)}
	plan := w.plan()
	waiting := sets.New[string]()
	for _, p := range plan.Waiting {
		waiting.Insert(p.Kind.Kind + "/" + p.Name + ": " + p.Reason)
	}
	if len(plan.Waiting) != 3 || !waiting.Has("Server/s1: Operation op1 is at work on it: it is forgotten once that ends") {
		t.Fatalf("%v", waiting)
	}
	// Another is claimed after the plan was made: the API server sees that it is not the same any more.
	w.claim("s2", "op2")
	result, err := w.applier.Apply(w.ctx, plan, w.stamp)
	if err != nil || !result.Whole || result.Pruned != 1 || len(result.Waiting) != 4 {
		t.Fatalf("%+v %v", result, err)
	}
	if w.server("s2").DeletionTimestamp != nil || w.server("s1").DeletionTimestamp != nil {
		t.Fatal("a busy server was deleted")
	}
	w.claim("s1", "")
	w.claim("s2", "")
	if got := w.mustApply(4); got.Pruned != 4 || len(got.Waiting) != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestClaimedBeforeItsDatacenterGoes(t *testing.T) {
	w := newWorld(t)
	w.files["site.yaml"], w.files["servers.yaml"] = siteYAML, servers(1)
	w.mustApply(4)
	w.files = map[string]string{}
	plan := w.plan()
	w.claim("s0", "op")
	result, err := w.applier.Apply(w.ctx, plan, w.stamp)
	if err != nil || result.Pruned != 1 || len(result.Waiting) != 3 {
		t.Fatalf("%+v %v", result, err)
	}
}

func TestNamespaceMissing(t *testing.T) {
	w := newWorld(t)
	gone := w.ns + "-gone"
	w.files["datacenters/"+gone+"/servers.yaml"] = servers(1)
	_, _, err := w.apply()
	var failure *apply.Failure
	if !errors.As(err, &failure) || !failure.Refused() || len(failure.Problems) != 1 {
		t.Fatal(err)
	}
	want := "datacenters/" + gone + `/servers.yaml:1:1: Server ` + gone + `/s0: the namespace "` + gone + `" does not exist; create it (kubectl create namespace ` + gone + `), or allow kind Namespace in spec.allowKinds of the fleet and add it to the repository`
	if got := failure.Problems[0].Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOneRefusedLetsItsKindFinish(t *testing.T) {
	w := newWorld(t)
	w.files["servers.yaml"] = servers(10)
	w.files["site.yaml"] = siteYAML
	w.proxy.Use(func(c proxy.Call) proxy.Action {
		if c.Name == "s4" {
			return proxy.Action{Answer: &proxy.Answer{Status: 422, Reason: "Invalid"}}
		}
		return proxy.Action{}
	})
	result, requests, err := w.apply()
	var failure *apply.Failure
	if !errors.As(err, &failure) || !failure.Refused() || len(failure.Problems) != 1 || failure.Problems[0].Line != 21 {
		t.Fatalf("%v", err)
	}
	if result.Created != 11 || result.Whole || requests != 12 {
		t.Fatalf("%d %+v: the other servers, and no group", requests, result)
	}
	w.proxy.Use(nil)
	w.mustApply(2)
}

func TestRefusedFieldIsNamed(t *testing.T) {
	w := newWorld(t)
	// A schema that is newer than the controller's would refuse what its own lets pass.
	desired := w.desiredRaw(`apiVersion: stargate.io/v1alpha1
kind: Server
metadata: {name: s0}
spec: {mac: nonsense}
`)
	plan := apply.Changes(desired, apply.Live{}, apply.Options{Fleet: w.fleet})
	_, err := w.applier.Apply(w.ctx, plan, w.stamp)
	var failure *apply.Failure
	if !errors.As(err, &failure) || !failure.Refused() || failure.Problems[0].Field != "spec.mac" || !strings.Contains(err.Error(), "must be a MAC address") {
		t.Fatal(err)
	}
}

func (w *world) desiredRaw(text string) []apply.Desired {
	t, problems := tree.Read([]tree.File{{Path: "datacenters/" + w.ns + "/x.yaml", Data: []byte(text)}}, tree.Options{Fleet: w.fleet})
	if len(problems) > 0 {
		w.Fatal(problems)
	}
	var all []apply.Desired
	for _, o := range t.Objects {
		all = append(all, apply.Desired{Object: o})
	}
	return all
}

// TestStoppedAtEveryWrite stops at the k-th write, before and after the API server has acted, and the
// same call completes what is there.
func TestStoppedAtEveryWrite(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		w.applier.Concurrency = 3
		w.files["site.yaml"], w.files["servers.yaml"] = siteYAML, servers(4)
		w.files["old.yaml"] = serverYAML(9, "")
		w.mustApply(8)
		text := "ipv4: 10.2."
		for k := 1; ; k++ {
			// Everything changes, and one goes.
			text = map[string]string{"ipv4: 10.2.": "ipv4: 10.3.", "ipv4: 10.3.": "ipv4: 10.2."}[text]
			w.files["servers.yaml"] = strings.ReplaceAll(servers(4), "ipv4: 10.0.", text)
			ctx, cancel := context.WithCancel(w.ctx)
			stop := proxy.Action{Before: cancel, Drop: true}
			if after {
				stop = proxy.Action{After: cancel, Lose: true}
			}
			plan := w.plan()
			w.proxy.Restart()
			w.proxy.Use(proxy.AtWrite(k, stop))
			_, err := w.applier.Apply(ctx, plan, w.stamp)
			w.proxy.Use(nil)
			reached := ctx.Err() != nil
			cancel()
			if !reached {
				if err != nil || k < 4 {
					t.Fatal(k, err)
				}
				break
			}
			var failure *apply.Failure
			if !errors.As(err, &failure) || failure.Refused() {
				t.Fatalf("stopped at write %d: %v", k, err)
			}
			if result, _, err := w.apply(); err != nil || !result.Whole {
				t.Fatalf("after a stop at write %d: %v", k, err)
			}
			w.mustApply(0)
		}
	}
}

func TestPassingFaultsAreTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.files["servers.yaml"] = servers(3)
	var n atomic.Int32
	faults := []proxy.Action{
		{Answer: &proxy.Answer{Status: 500, Reason: "InternalError"}}, {Drop: true}, {Lose: true},
		{Answer: &proxy.Answer{Status: 409, Reason: "Conflict"}}, {Answer: &proxy.Answer{Status: 504, Reason: "Timeout"}, Act: true},
	}
	w.proxy.Use(func(c proxy.Call) proxy.Action {
		if i := int(n.Add(1)) - 1; i < len(faults) {
			return faults[i]
		}
		return proxy.Action{}
	})
	if result, _, err := w.apply(); err != nil || result.Created != 3 {
		t.Fatalf("%+v %v", result, err)
	}
	w.proxy.Use(nil)
	w.mustApply(0)
}

// TestNoReplyIsTriedAgain: a request that is never answered costs its own time limit only.
func TestNoReplyIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.applier.Timeout = 500 * time.Millisecond
	w.files["servers.yaml"] = servers(1)
	release := make(chan struct{})
	w.proxy.Use(proxy.AtCall(1, proxy.Action{Before: func() { <-release }, Drop: true}))
	result, requests, err := w.apply()
	close(release)
	if err != nil || result.Created != 1 || requests != 2 {
		t.Fatalf("%+v %d %v", result, requests, err)
	}
}

// TestDownIsNotAskedForEach object: what does not answer is left alone until the next time.
func TestDownIsNotAskedForEach(t *testing.T) {
	w := newWorld(t)
	w.applier.Attempts, w.applier.Concurrency = 2, 2
	w.files["servers.yaml"] = servers(50)
	w.proxy.Use(func(proxy.Call) proxy.Action { return proxy.Action{Drop: true} })
	_, requests, err := w.apply()
	var failure *apply.Failure
	if !errors.As(err, &failure) || failure.Refused() || requests > 20 {
		t.Fatalf("%d requests, %v", requests, err)
	}
}

// TestMadeAnewByAnother: an object of the plan is gone, and another has its name.
func TestMadeAnewByAnother(t *testing.T) {
	w := newWorld(t)
	w.files["site.yaml"] = siteYAML
	w.mustApply(3)
	w.files["site.yaml"] = strings.Replace(siteYAML, "2.0.0", "2.1.0", 1)
	plan := w.plan()
	profile := &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "web"}}
	if err := w.direct.Delete(w.ctx, profile); err != nil {
		t.Fatal(err)
	}
	profile = &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.ns, Name: "web", Labels: map[string]string{v1alpha1.LabelFleet: "other"},
	}, Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: "3.0.0", OSImage: "http://images/y.qcow2"}}
	if err := w.direct.Create(w.ctx, profile); err != nil {
		t.Fatal(err)
	}
	_, err := w.applier.Apply(w.ctx, plan, w.stamp)
	var failure *apply.Failure
	if !errors.As(err, &failure) || failure.Refused() {
		t.Fatal(err)
	}
	if err := w.direct.Get(w.ctx, client.ObjectKeyFromObject(profile), profile); err != nil || profile.Spec.OSVersion != "3.0.0" {
		t.Fatal("another fleet's object was written over", err)
	}
}

// TestGoneMeanwhile: what the plan changes is gone, and is made anew only by a plan that knows it.
func TestGoneMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.files["site.yaml"] = siteYAML
	w.mustApply(3)
	w.files["site.yaml"] = strings.Replace(siteYAML, "2.0.0", "2.1.0", 1)
	plan := w.plan()
	profile := &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "web"}}
	if err := w.direct.Delete(w.ctx, profile); err != nil {
		t.Fatal(err)
	}
	_, err := w.applier.Apply(w.ctx, plan, w.stamp)
	var failure *apply.Failure
	if !errors.As(err, &failure) || failure.Refused() {
		t.Fatal(err)
	}
	if got := w.mustApply(1); got.Created != 1 {
		t.Fatalf("%+v", got)
	}
}

// TestBeingDeleted: what is on its way out is applied once it is gone, and the commit is not whole before.
func TestBeingDeleted(t *testing.T) {
	w := newWorld(t)
	w.files["servers.yaml"] = servers(1)
	w.mustApply(1)
	if err := w.direct.Delete(w.ctx, w.server("s0")); err != nil {
		t.Fatal(err)
	}
	result, requests, err := w.apply()
	var failure *apply.Failure
	if !errors.As(err, &failure) || failure.Refused() || result.Whole || requests != 0 {
		t.Fatalf("%+v %d %v", result, requests, err)
	}
	s := w.server("s0")
	s.Finalizers = nil
	if err := w.direct.Update(w.ctx, s); err != nil {
		t.Fatal(err)
	}
	w.mustApply(1)
}

func TestForeignKinds(t *testing.T) {
	w := newWorld(t)
	w.allow = []v1alpha1.ForeignKind{v1alpha1.ForeignSecret, v1alpha1.ForeignConfigMap, v1alpha1.ForeignNamespace}
	foreign := `apiVersion: v1
kind: Secret
metadata: {name: bmc}
stringData: {password: hunter2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {a: "1"}
`
	w.files["foreign.yaml"], w.files["servers.yaml"] = foreign, servers(1)
	other := w.ns + "-x"
	namespace := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + other + "}\n---\n"
	w.files["datacenters/"+other+"/all.yaml"] = namespace + siteYAML
	w.mustApply(7)
	w.mustApply(0)
	s := w.secret("bmc")
	if string(s.Data["password"]) != "hunter2" {
		t.Error("not as it should be")
	}
	s.Data["password"] = []byte("other")
	if err := w.direct.Update(w.ctx, s); err != nil {
		t.Fatal(err)
	}
	plan := w.plan()
	if len(plan.Changes) != 1 || plan.Changes[0].Fields[0].Path != "data.password" || plan.Changes[0].Fields[0].New != "(secret)" {
		t.Fatalf("%+v", plan.Changes)
	}
	w.mustApply(1)
	if string(w.secret("bmc").Data["password"]) != "hunter2" {
		t.Error("not put back")
	}
	w.files = map[string]string{"servers.yaml": servers(1)}
	plan = w.plan()
	if len(plan.Prunes) != 5 || len(plan.Left) != 1 || plan.Left[0].Kind.Kind != "Namespace" || plan.Left[0].Reason == "" {
		t.Fatalf("%+v %+v", plan.Prunes, plan.Left)
	}
	w.mustApply(5)
	if err := w.direct.Delete(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other}}); err != nil {
		t.Error(err)
	}
}
