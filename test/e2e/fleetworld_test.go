package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/gitserver"
)

// pushToken signs push notices.
const pushToken = "a push token of the tests"

// FleetRoom is a room whose objects come from a repository of its own.
type FleetRoom struct {
	*Room
	// System is the controller's own namespace.
	System string
	Repo   *gitserver.Repo
	Git    *gitserver.HTTP
	Fleet  *v1alpha1.Fleet
	// Notices is where the controller takes them.
	Notices string
}

// FleetRoom makes a room, a repository that is served over HTTP, and a Fleet that is not created yet.
func (w *World) FleetRoom(options gitserver.Options) *FleetRoom {
	w.Helper()
	r := &FleetRoom{Room: w.Room(site.Config{}), System: w.Cluster.Namespace(w)}
	w.Delete(Profile(r.Namespace, "os", "2.0.0")) // profiles come from the repository
	root := w.TempDir()
	options.Root = root
	var err error
	if r.Repo, err = gitserver.NewRepo(filepath.Join(root, "fleet.git")); err != nil {
		w.Fatal(err)
	}
	if r.Git, err = gitserver.StartHTTP(options); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = r.Git.Close() })
	r.Fleet = &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}, Spec: v1alpha1.FleetSpec{
		URL: r.Git.Repo("fleet.git"), Interval: &metav1.Duration{Duration: time.Hour}, Prune: true,
		PushSecretRef: &v1alpha1.SecretReference{Name: "push"},
		Guard:         v1alpha1.Guard{MaxRepaves: all(), MaxDeletes: all()},
	}}
	r.Secret("push", map[string]string{"token": pushToken})
	return r
}

func all() *intstr.IntOrString { v := intstr.FromString("100%"); return &v }

// Secret in the controller's own namespace.
func (r *FleetRoom) Secret(name string, data map[string]string) {
	r.Helper()
	r.Create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.System, Name: name}, StringData: data})
}

// Start a controller for the room and its fleet.
func (r *FleetRoom) Start(t *testing.T, changes ...func(*engine.Options)) (stop func()) {
	t.Helper()
	kinds, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	r.Notices = freeAddress(t)
	return r.Room.Start(append([]func(*engine.Options){func(o *engine.Options) {
		o.Kinds, o.Fleets, o.LeaderElectionNamespace, o.NoticeAddress = kinds, []string{r.Fleet.Name}, r.System, r.Notices
	}}, changes...)...)
}

// at gives the path of a file of the room's datacenter in the repository.
func (r *FleetRoom) at(file string) string { return "datacenters/" + r.Namespace + "/" + file }

// profileFile is a profile "os" of an OS version.
func profileFile(version string) string {
	return fmt.Sprintf("apiVersion: stargate.io/v1alpha1\nkind: ProvisioningProfile\nmetadata: {name: os}\nspec: {osVersion: %q, osImage: 'https://images.example.com/%s.img'}\n", version, version)
}

// serversFile holds servers 1 to n, all of the group web.
func serversFile(n int) string {
	var out strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&out, "---\napiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: server-%03d, labels: {group: web}}\nspec: {mac: 'aa:bb:cc:dd:00:%02x', ipv4: 10.0.0.%d}\n", i, i, i)
	}
	return out.String()
}

const groupFile = `apiVersion: stargate.io/v1alpha1
kind: ServerGroup
metadata: {name: web}
spec:
  selector: {matchLabels: {group: web}}
  provisioningProfileRef: {name: os}
  rollout:
    maxUnavailable: 2
    waves:
    - {name: canary, size: 1}
`

// Push files as a commit, and give its hash.
func (r *FleetRoom) Push(message string, files map[string]string, options ...gitserver.CommitOptions) string {
	r.Helper()
	if err := r.Repo.Write(files); err != nil {
		r.Fatal(err)
	}
	commit, err := r.Repo.Commit(message, options...)
	if err != nil {
		r.Fatal(err)
	}
	return commit
}

// PushWorld pushes a profile, servers and a group.
func (r *FleetRoom) PushWorld(version string, servers int) string {
	r.Helper()
	return r.Push("os "+version, map[string]string{r.at("profile.yaml"): profileFile(version), r.at("servers.yaml"): serversFile(servers), r.at("group.yaml"): groupFile})
}

// Notify sends a push notice as GitHub does, until the controller takes it.
func (r *FleetRoom) Notify() {
	r.Helper()
	body := `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte(pushToken))
	mac.Write([]byte(body))
	r.Eventually("the notice to be taken", func() bool {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+r.Notices+"/sync/"+r.Fleet.Name, strings.NewReader(body))
		if err != nil {
			r.Fatal(err)
		}
		request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusAccepted
	})
}

// UntilApplied waits until a commit is in and every group has it.
func (r *FleetRoom) UntilApplied(commit string) {
	r.Helper()
	r.Until(r.Fleet, "ready at "+commit, func() bool {
		return strings.HasSuffix(r.Fleet.Status.LastAppliedRevision, commit) && meta.IsStatusConditionTrue(r.Fleet.Status.Conditions, v1alpha1.ConditionReady)
	})
}

// UntilReady waits for the reason of Ready with the given words in its message.
func (r *FleetRoom) UntilReady(reason string, words ...string) {
	r.Helper()
	r.Until(r.Fleet, fmt.Sprintf("Ready for %s with %q", reason, words), func() bool {
		ready := meta.FindStatusCondition(r.Fleet.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == reason && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(ready.Message, word) })
	})
}

// Applies fails unless so many commits were applied whole.
func (r *FleetRoom) Applies(want int64) {
	r.Helper()
	r.Refresh(r.Fleet)
	if r.Fleet.Status.Applies != want || r.Fleet.Status.Applying != nil {
		r.Errorf("%d commits were applied, not %d; applying %+v", r.Fleet.Status.Applies, want, r.Fleet.Status.Applying)
	}
}

func (r *FleetRoom) secretNamed(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.System, Name: name}}
}
