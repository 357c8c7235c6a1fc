package fault

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/gitserver"
	"stargate.io/stargate/test/proxy"
)

// fleetRoom is two rooms that one repository fills, through one controller.
type fleetRoom struct {
	*room
	east    *room
	repo    *gitserver.Repo
	fleet   *v1alpha1.Fleet
	history *history
	// commits by number of their apply.
	commits []pushed
	random  func(int) int
}

// pushed commit.
type pushed struct {
	content
	hash string
}

// bystander servers and profiles are none of the fleet's.
const bystander = 200

func newFleetRoom(t *testing.T, random func(int) int) *fleetRoom {
	t.Helper()
	config := site.Config{Duration: 50 * time.Millisecond}
	f := &fleetRoom{room: newRoom(t, config, nil), east: newRoom(t, config, nil), random: random}
	root := t.TempDir()
	var err error
	if f.repo, err = gitserver.NewRepo(filepath.Join(root, "fleet.git")); err != nil {
		t.Fatal(err)
	}
	git, err := gitserver.StartHTTP(gitserver.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.endControllers()
		_ = git.Close()
	})
	f.create(server(f.namespace, bystander), server(f.east.namespace, bystander))
	f.fleet = &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}, Spec: v1alpha1.FleetSpec{
		URL: git.Repo("fleet.git"), Interval: &metav1.Duration{Duration: time.Hour}, Prune: true,
		Guard: v1alpha1.Guard{MaxRepaves: percent("100%"), MaxDeletes: percent("100%")},
	}}
	f.history = f.watch()
	t.Cleanup(func() {
		f.endControllers()
		if t.Failed() {
			f.tell()
		}
		if err := client.IgnoreNotFound(f.live.Delete(context.Background(), f.fleet)); err != nil {
			t.Error(err)
		}
	})
	return f
}

func percent(text string) *intstr.IntOrString { v := intstr.FromString(text); return &v }

func (f *fleetRoom) namespaces() []string { return []string{f.namespace, f.east.namespace} }

// push a commit with this content and no other; by force where it has no parent.
func (f *fleetRoom) push(c content, options ...gitserver.CommitOptions) {
	f.Helper()
	files, err := c.files(f.namespaces()...)
	if err != nil {
		f.Fatal(err)
	}
	if err := f.repo.Write(files); err != nil {
		f.Fatal(err)
	}
	hash, err := f.repo.Commit("os "+c.version, options...)
	if err != nil {
		f.Fatal(err)
	}
	f.commits = append(f.commits, pushed{c, hash})
}

// head is the commit that was pushed last.
func (f *fleetRoom) head() pushed { return f.commits[len(f.commits)-1] }

// rise starts a controller that works the fleet.
func (f *fleetRoom) rise() *controller {
	return f.startWith(childOptions{Namespaces: f.namespaces(), Fleets: []string{f.fleet.Name}})
}

// now is the fleet as the API server has it.
func (f *fleetRoom) now() *v1alpha1.Fleet {
	f.Helper()
	fleet := &v1alpha1.Fleet{}
	if err := f.live.Get(context.Background(), client.ObjectKeyFromObject(f.fleet), fleet); err != nil {
		f.Error(err) // not Fatal: a proxy's goroutine may be the one that asks
	}
	return fleet
}

// isApplied tells whether the commit that was pushed last is in, as the API server has it.
func (f *fleetRoom) isApplied() bool {
	status := f.now().Status
	return status.Applying == nil && strings.HasSuffix(status.LastAppliedRevision, f.head().hash)
}

// isDone tells whether every machine of the groups has what the last commit says, and the fleet says so.
func (f *fleetRoom) isDone() bool {
	f.Helper()
	for _, namespace := range f.namespaces() {
		for n := 1; n <= f.head().grouped(); n++ {
			s := server(namespace, n)
			if !f.see(s) || s.Status.CurrentOS != f.head().version || s.Status.ActiveOperation != nil {
				return false
			}
		}
	}
	return f.isApplied() && meta.IsStatusConditionTrue(f.now().Status.Conditions, v1alpha1.ConditionReady)
}

// isWriteOfApply tells whether a call is one of an apply: its intent, an object, its end.
func isWriteOfApply(call proxy.Call) bool {
	switch call.String() {
	case "update fleets/status":
		return true
	case "patch servers", "patch servergroups", "patch provisioningprofiles", "delete servers", "delete servergroups", "delete provisioningprofiles":
		return true
	}
	return false
}

// tell what a failure is understood from.
func (f *fleetRoom) tell() {
	f.Logf("fleet: %+v", f.now().Status)
	var groups v1alpha1.ServerGroupList
	if f.live.List(context.Background(), &groups, client.MatchingLabels{v1alpha1.LabelFleet: f.fleet.Name}) == nil {
		for i := range groups.Items {
			g := &groups.Items[i]
			f.Logf("group %s/%s: %v %+v", g.Namespace, g.Name, g.Annotations, g.Status)
		}
	}
	var events corev1.EventList
	if f.live.List(context.Background(), &events) == nil {
		for i := range events.Items {
			if e := &events.Items[i]; e.InvolvedObject.Name == f.fleet.Name {
				f.Logf("event: %s %s", e.Reason, e.Message)
			}
		}
	}
	f.Log(fmt.Sprint("API calls: ", f.api.Counts()))
}
