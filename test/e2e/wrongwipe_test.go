package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/gitserver"
)

// The judge of these tests is what a site recorded: which jobs it made, and what each did to a machine.

// serverLine is one Server of a file, with whatever else its spec and labels say.
func serverLine(n int, name, group, more string) string {
	return fmt.Sprintf("---\napiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: %s, labels: {group: %s}}\n"+
		"spec: {mac: 'aa:bb:cc:dd:00:%02x', ipv4: 10.0.0.%d%s}\n", name, group, n, n, more)
}

func nameOf(n int) string { return fmt.Sprintf("server-%03d", n) }

// serverLines are servers of the group web, but for those that a change says otherwise of.
func serverLines(n int, otherwise map[int]string) string {
	var out strings.Builder
	for i := 1; i <= n; i++ {
		line, changed := otherwise[i]
		if !changed {
			line = serverLine(i, nameOf(i), "web", "")
		}
		out.WriteString(line)
	}
	return out.String()
}

// secondGroup is a group "db" with a profile of its own.
const secondGroup = `---
apiVersion: stargate.io/v1alpha1
kind: ProvisioningProfile
metadata: {name: db}
spec: {osVersion: "7.0.0", osImage: 'https://images.example.com/7.0.0.img'}
---
apiVersion: stargate.io/v1alpha1
kind: ServerGroup
metadata: {name: db}
spec:
  selector: {matchLabels: {group: db}}
  provisioningProfileRef: {name: db}
`

func none() *intstr.IntOrString { v := intstr.FromInt32(0); return &v }

// inUse gives a fleet's room with so many machines in use, which a commit brought to 2.0.0.
func inUse(t *testing.T, servers int, change ...func(*FleetRoom)) *FleetRoom {
	t.Helper()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	for _, each := range change {
		each(r)
	}
	commit := r.PushWorld("2.0.0", servers)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(commit)
	if jobs := r.taken(0); len(jobs) != servers {
		t.Fatalf("the first commit made %d jobs: %v", len(jobs), jobs)
	}
	return r
}

// guard sets what the Fleet lets pass.
func (r *FleetRoom) guard(repaves, deletes *intstr.IntOrString) {
	r.Helper()
	r.Edit(r.Fleet, func() { r.Fleet.Spec.Guard = v1alpha1.Guard{MaxRepaves: repaves, MaxDeletes: deletes} })
}

// sync pushes files and sends a notice.
func (r *FleetRoom) sync(message string, files map[string]string) string {
	r.Helper()
	commit := r.Push(message, files)
	r.Notify()
	return commit
}

// still fails unless the site has just as many jobs as before: nothing was wiped.
func (r *Room) still(what string, jobs int) {
	r.Helper()
	if got := r.taken(0); len(got) != jobs {
		r.Errorf("%s: the site made jobs for %v", what, got[min(jobs, len(got)):])
	}
}

// patch an object as a person does.
func (r *Room) patch(t *testing.T, what, merge string) {
	t.Helper()
	kubectl(t, r.Cluster, "patch", "-n", r.Namespace, what, "--type=merge", "-p", merge)
}

// adopted waits until a Server is recorded to have an OS that no Operation gave it.
func (r *Room) adopted(namespace, name, version string) {
	r.Helper()
	server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	r.Until(server, "adopted", func() bool {
		applied := server.Status.Applied
		return applied != nil && applied.OSVersion == version && applied.Operation == "" && server.Status.State == v1alpha1.ServerReady
	})
}

// TestAdoptedByCommit: machines in use come under care by a commit under the tightest guard, and nobody
// asks their site for anything. Only a new OS version moves them, and it waits for the guard.
func TestAdoptedByCommit(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	r.Fleet.Spec.Guard = v1alpha1.Guard{MaxRepaves: none()}
	adopt, lines := ", adopt: {profile: os}", map[int]string{}
	for n := 1; n <= 5; n++ {
		lines[n] = serverLine(n, nameOf(n), "web", adopt)
	}
	first := r.Push("adopt", map[string]string{r.at("profile.yaml"): profileFile("2.0.0"), r.at("servers.yaml"): serverLines(5, lines), r.at("group.yaml"): groupFile})
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	for n := 1; n <= 5; n++ {
		r.adopted(r.Namespace, nameOf(n), "2.0.0")
	}
	r.Unasked()

	second := r.sync("os 2.1.0", map[string]string{r.at("profile.yaml"): profileFile("2.1.0")})
	r.UntilReady(v1alpha1.ReasonApprovalRequired, second[:7], "5 repaves")
	r.Unasked()
	r.annotate(v1alpha1.AnnotationApprove, second)
	r.UntilApplied(second)
	if jobs := r.taken(0); len(jobs) != 5 {
		t.Errorf("jobs: %v", jobs)
	}
	r.AtOnce(2)
}

// TestUnknownMachinesWait: of what is added nothing is known, so that it counts; what is in use goes on.
func TestUnknownMachinesWait(t *testing.T) {
	t.Parallel()
	r := inUse(t, 3)
	one := intstr.FromInt32(1)
	r.guard(&one, nil)
	second := r.sync("two more", map[string]string{r.at("servers.yaml"): serverLines(5, nil)})
	r.UntilReady(v1alpha1.ReasonApprovalRequired, second[:7], "2 repaves")
	r.still("held", 3)
	r.annotate(v1alpha1.AnnotationApprove, second)
	r.UntilApplied(second)
	if jobs := r.taken(3); !slices.Equal(slices.Sorted(slices.Values(jobs)), []string{"server-004", "server-005"}) {
		t.Errorf("jobs: %v", jobs)
	}
}

// TestRenamedServer: a machine in use under another name is not wiped, whatever the guard's numbers say,
// and adopting it keeps what it runs.
func TestRenamedServer(t *testing.T) {
	t.Parallel()
	for _, prune := range []bool{true, false} {
		t.Run(fmt.Sprintf("prune %v", prune), func(t *testing.T) {
			t.Parallel()
			r := inUse(t, 3, func(r *FleetRoom) { r.Fleet.Spec.Prune = prune })
			renamed := r.sync("rename", map[string]string{r.at("servers.yaml"): serverLines(3, map[int]string{3: serverLine(3, "db-001", "web", "")})})
			r.UntilReady(v1alpha1.ReasonApprovalRequired, renamed[:7], r.Namespace+"/db-001", r.Namespace+"/server-003", "aa:bb:cc:dd:00:03", "spec.adopt{profile: os}")
			r.Applies(1)
			r.still("renamed", 3)

			adopted := r.sync("rename and adopt", map[string]string{
				r.at("servers.yaml"): serverLines(3, map[int]string{3: serverLine(3, "db-001", "web", ", adopt: {profile: os}")})})
			r.Until(r.Fleet, "at "+adopted, func() bool { return strings.HasSuffix(r.Fleet.Status.LastAppliedRevision, adopted) })
			r.adopted(r.Namespace, "db-001", "2.0.0")
			if !prune {
				r.bothHeld("db-001", "server-003")
				return
			}
			r.UntilApplied(adopted)
			r.UntilGone(r.Server(3))
			r.still("renamed and adopted", 3)
			r.rename(t)
		})
	}
}

// bothHeld fails unless two Servers that share a machine are both held, and a new OS passes them by.
func (r *FleetRoom) bothHeld(names ...string) {
	r.Helper()
	for _, name := range names {
		server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: name}}
		r.UntilCondition(server, &server.Status.Conditions, v1alpha1.ConditionHealthy, v1alpha1.ReasonIdentityConflict)
	}
	// Both count as unavailable, so that there must be room for a third.
	r.sync("os 2.1.0", map[string]string{r.at("profile.yaml"): profileFile("2.1.0"), r.at("group.yaml"): strings.Replace(groupFile, "maxUnavailable: 2", "maxUnavailable: 3", 1)})
	for n := 1; n <= 2; n++ {
		server := r.Server(n)
		r.Until(server, "at 2.1.0", func() bool { return server.Status.CurrentOS == "2.1.0" })
	}
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "web"}}
	r.Until(group, "through with what it may", func() bool { return group.Status.Updated == 2 && len(group.Status.InFlight) == 0 })
	for _, name := range names {
		if got := r.given(name); name == "db-001" && len(got) > 0 || len(got) > 1 {
			r.Errorf("the site gave %s %v", name, got)
		}
	}
}

// rename the machine at its site too: until somebody does, it refuses the new name, and with it the
// machine gets the next OS as all others do.
func (r *FleetRoom) rename(t *testing.T) {
	t.Helper()
	if err := r.Site.Forget("server-003"); err != nil {
		t.Fatal(err)
	}
	next := r.sync("os 2.1.0", map[string]string{r.at("profile.yaml"): profileFile("2.1.0")})
	r.UntilApplied(next)
	r.Gives("server-003", "2.0.0")
	r.Gives("db-001", "2.1.0")
}

// TestMovedToAnotherDatacenter: a Server that goes to another namespace stands for the machine that it
// stood for, which another site may know nothing of.
func TestMovedToAnotherDatacenter(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	east, there := r.Datacenter(site.Config{Duration: Quick}, nil)
	other := &Room{World: r.World, Namespace: east, Site: there}
	in := func(file string) string { return "datacenters/" + east + "/" + file }
	files := map[string]string{
		r.at("profile.yaml"): profileFile("2.0.0"), r.at("servers.yaml"): serverLines(3, nil), r.at("group.yaml"): groupFile,
		in("profile.yaml"): profileFile("2.0.0"), in("servers.yaml"): serverLine(9, "server-009", "web", ""), in("group.yaml"): groupFile,
	}
	first := r.Push("both", files)
	r.Start(t, func(o *engine.Options) { o.Namespaces = []string{r.Namespace, east} })
	r.Create(r.Fleet)
	r.UntilApplied(first)
	if len(r.taken(0)) != 3 || len(other.taken(0)) != 1 {
		t.Fatalf("jobs: %v and %v", r.taken(0), other.taken(0))
	}
	without := serverLine(1, nameOf(1), "web", "") + serverLine(2, nameOf(2), "web", "")
	moved := r.sync("move", map[string]string{
		r.at("servers.yaml"): without, in("servers.yaml"): serverLine(9, "server-009", "web", "") + serverLine(3, "server-003", "web", "")})
	r.UntilReady(v1alpha1.ReasonApprovalRequired, moved[:7], east+"/server-003", r.Namespace+"/server-003", "adopt")
	r.still("moved", 3)
	other.still("moved", 1)

	adopted := r.sync("move and adopt", map[string]string{
		in("servers.yaml"): serverLine(9, "server-009", "web", "") + serverLine(3, "server-003", "web", ", adopt: {profile: os}")})
	r.UntilApplied(adopted)
	r.adopted(east, "server-003", "2.0.0")
	r.UntilGone(r.Server(3))
	r.still("moved and adopted", 3)
	other.still("moved and adopted", 1)

	next := r.sync("os 2.1.0 in the east", map[string]string{in("profile.yaml"): profileFile("2.1.0")})
	r.UntilApplied(next)
	other.Gives("server-003", "2.1.0")
	r.still("2.1.0 is of the other datacenter", 3)
}

// TestMovedWithinANamespace: a Server that another Datacenter of its namespace reaches from now on is
// the Server that it was.
func TestMovedWithinANamespace(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	url, hall := r.OpenSite(site.Config{Name: "hall-2", Duration: Quick})
	second := &Room{World: r.World, Namespace: r.Namespace, Site: hall}
	in := func(dc string) string { return ", datacenterRef: {name: " + dc + "}" }
	lines := map[int]string{}
	for n := 1; n <= 3; n++ {
		lines[n] = serverLine(n, nameOf(n), "web", in("dc"))
	}
	dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "hall-2"},
		Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url}}
	r.Create(dc)
	first := r.Push("first", map[string]string{r.at("profile.yaml"): profileFile("2.0.0"), r.at("servers.yaml"): serverLines(3, lines), r.at("group.yaml"): groupFile})
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	r.guard(none(), none())
	lines[3] = serverLine(3, nameOf(3), "web", in("hall-2"))
	moved := r.sync("move", map[string]string{r.at("servers.yaml"): serverLines(3, lines)})
	r.UntilApplied(moved)
	r.still("moved", 3)
	second.still("moved", 0)
	r.guard(all(), all())
	next := r.sync("os 2.1.0", map[string]string{r.at("profile.yaml"): profileFile("2.1.0")})
	r.UntilApplied(next)
	r.Gives("server-003", "2.0.0")
	second.Gives("server-003", "2.1.0")
}

// TestRelabelledByCommit: a server that goes to another group is one repave, and counts as one.
func TestRelabelledByCommit(t *testing.T) {
	t.Parallel()
	r := inUse(t, 4)
	both := r.sync("a second group", map[string]string{r.at("db.yaml"): secondGroup})
	r.UntilApplied(both)
	r.guard(none(), nil)
	moved := r.sync("to db", map[string]string{r.at("servers.yaml"): serverLines(4, map[int]string{3: serverLine(3, nameOf(3), "db", "")})})
	r.UntilReady(v1alpha1.ReasonApprovalRequired, moved[:7], "1 repave")
	r.still("held", 4)
	r.annotate(v1alpha1.AnnotationApprove, moved)
	r.UntilApplied(moved)
	r.still("approved", 5)
	r.Gives("server-003", "2.0.0", "7.0.0")
}

// TestFleetEditedByKubectl: what a person changes of a fleet's objects is put back, and wipes nothing:
// not a profile, not a selector, not a label.
func TestFleetEditedByKubectl(t *testing.T) {
	t.Parallel()
	r := inUse(t, 4)
	both := r.sync("a second group, and a spare", map[string]string{
		r.at("db.yaml"): secondGroup, r.at("spare.yaml"): serverLine(9, nameOf(9), "spare", ", adopt: {profile: db}")})
	r.UntilApplied(both)
	r.adopted(r.Namespace, nameOf(9), "7.0.0")
	for i := range 3 {
		r.patch(t, "provisioningprofiles.stargate.io/os", fmt.Sprintf(`{"spec":{"osVersion":"6.6.%d"}}`, i))
		profile := &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "os"}}
		r.Until(profile, "put back", func() bool { return profile.Spec.OSVersion == "2.0.0" })
		r.patch(t, "servergroups.stargate.io/web", `{"spec":{"selector":{"matchLabels":null,"matchExpressions":[{"key":"group","operator":"In","values":["web","spare"]}]}}}`)
		group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "web"}}
		r.Until(group, "put back, whole", func() bool {
			return group.Spec.Selector.MatchLabels["group"] == "web" && len(group.Spec.Selector.MatchExpressions) == 0
		})
	}
	r.UntilApplied(both)
	r.still("put back", 4)
	r.Applies(2)
}

// TestRelabelledByKubectl: the fleet puts back the label, and the other group does not take the server.
func TestRelabelledByKubectl(t *testing.T) {
	t.Parallel()
	r := inUse(t, 4)
	both := r.sync("a second group", map[string]string{r.at("db.yaml"): secondGroup})
	r.UntilApplied(both)
	for n := 1; n <= 3; n++ {
		r.patch(t, "servers.stargate.io/"+nameOf(n), `{"metadata":{"labels":{"group":"db"}}}`)
		server := r.Server(n)
		r.Until(server, "put back", func() bool { return server.Labels["group"] == "web" })
	}
	r.UntilApplied(both)
	r.still("put back", 4)
}

// TestDeletedByKubectl: a Server that somebody deletes is made again by the fleet. The API server knows
// nothing of its machine any more, so that no rollout takes it unasked: not even at a site that looks at
// no identity.
func TestDeletedByKubectl(t *testing.T) {
	t.Parallel()
	r := inUse(t, 4, func(r *FleetRoom) {
		r.Delete(r.DC())
		url, there := r.OpenSite(site.Config{Duration: Quick, API: site.V1})
		r.Site = there
		r.Create(&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "old"},
			Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url}})
	})
	old := r.Server(2)
	r.Refresh(old)
	was := old.UID
	r.Delete(old)
	r.Until(old, "made again", func() bool { return old.UID != was && old.DeletionTimestamp == nil })
	group := r.Group("web", 1)
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired, old.Name, "spec.adopt")
	r.still("deleted", 4)
	lines := map[int]string{2: serverLine(2, old.Name, "web", ", adopt: {profile: os}")}
	adopted := r.sync("adopt", map[string]string{r.at("servers.yaml"): serverLines(4, lines)})
	r.UntilApplied(adopted)
	r.adopted(r.Namespace, old.Name, "2.0.0")
	r.still("adopted", 4)
}

// TestEditedWithoutAFleet: what nobody puts back meets the guard, and beyond its allowance nothing starts.
func TestEditedWithoutAFleet(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Create(Profile(r.Namespace, "db", "7.0.0"))
	for n := 1; n <= 10; n++ {
		server := r.Member(n)
		server.Spec.Adopt = &v1alpha1.Adoption{Profile: "os"}
		if n > 6 {
			server.Labels["role"], server.Spec.Adopt.Profile = "db", "db"
		}
		r.Create(server)
	}
	group := r.Group("web", 5)
	r.Create(group)
	r.Start()
	r.UntilUpToDate(group, 6)
	r.Unasked()
	r.patch(t, "servergroups.stargate.io/web", `{"spec":{"selector":{"matchLabels":null,"matchExpressions":[{"key":"role","operator":"Exists"}]}}}`)
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired)
	r.Until(group, "quiet", func() bool { return len(group.Status.InFlight) == 0 && group.Status.Servers == 10 })
	if got := r.taken(0); len(got) > 1 {
		t.Errorf("a wider selector wiped %v", got)
	}
	r.patch(t, "provisioningprofiles.stargate.io/os", `{"spec":{"osVersion":"6.6.6"}}`)
	r.Until(group, "at the next revision", func() bool { return group.Status.Revision.Number == 2 })
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired)
	r.Until(group, "quiet", func() bool { return len(group.Status.InFlight) == 0 && group.Status.Revision.Made > 0 })
	if got := r.taken(0); len(got) > 2 {
		t.Errorf("a profile edited by hand wiped %v", got)
	}
}

// TestPrunedObjects, one by one and all at once: a site never hears of it.
func TestPrunedObjects(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	r.Delete(r.DC())
	url, there := r.OpenSite(site.Config{Name: "pruned", Duration: Quick})
	r.Site = there
	elsewhere := r.Cluster.Namespace(t)
	first := r.Push("first", map[string]string{
		r.at("dc.yaml"):      fmt.Sprintf("apiVersion: stargate.io/v1alpha1\nkind: Datacenter\nmetadata: {name: here}\nspec: {driver: dcapi, endpoint: %q}\n", url),
		r.at("profile.yaml"): profileFile("2.0.0"), r.at("servers.yaml"): serverLines(4, nil), r.at("group.yaml"): groupFile,
		"datacenters/" + elsewhere + "/profile.yaml": profileFile("2.0.0"),
	})
	r.Start(t, func(o *engine.Options) { o.Namespaces = []string{r.Namespace, elsewhere} })
	r.Create(r.Fleet)
	r.UntilApplied(first)
	r.still("first", 4)
	requests := len(Events(r.Site, site.Received))
	for _, step := range []struct {
		what   string
		change func() error
		gone   client.Object
	}{
		{"a server", func() error { return r.Repo.Write(map[string]string{r.at("servers.yaml"): serverLines(3, nil)}) }, r.Server(4)},
		{"the group", func() error { return r.Repo.Remove(r.at("group.yaml")) }, r.Group("web", 1)},
		{"the profile", func() error { return r.Repo.Remove(r.at("profile.yaml")) }, Profile(r.Namespace, "os", "")},
		{"the datacenter", func() error { return r.Repo.Remove(r.at("dc.yaml"), r.at("servers.yaml")) },
			&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "here"}}},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		commit := r.sync("without "+step.what, nil)
		r.UntilApplied(commit)
		r.UntilGone(step.gone)
	}
	for n := 1; n <= 4; n++ {
		r.UntilGone(r.Server(n))
	}
	r.still("pruned", 4)
	if got := Events(r.Site, site.Received); len(got) != requests {
		t.Errorf("the site was asked for something: %+v", got[requests:])
	}
}

// TestAddedBack: a Server that a commit removed and another brought back is another Server of the same
// name, of which nothing is recorded: it counts in the guard, and where somebody approves that, the site
// still knows its machine under the old UID and refuses. A site that does not look at the UID is told
// that the machine needs nothing that it has.
func TestAddedBack(t *testing.T) {
	t.Parallel()
	for _, loose := range []bool{false, true} {
		t.Run(fmt.Sprintf("site without UIDs %v", loose), func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).FleetRoom(gitserver.Options{})
			r.Delete(r.DC())
			url, there := r.OpenSite(site.Config{Duration: Quick, LooseUID: loose})
			r.Site = there
			r.Create(&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "again"},
				Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url}})
			first := r.PushWorld("2.0.0", 3)
			r.Start(t)
			r.Create(r.Fleet)
			r.UntilApplied(first)
			r.guard(none(), nil)
			removed := r.sync("remove", map[string]string{r.at("servers.yaml"): serverLines(2, nil)})
			r.UntilApplied(removed)
			r.UntilGone(r.Server(3))
			back := r.sync("back", map[string]string{r.at("servers.yaml"): serverLines(3, nil)})
			r.UntilReady(v1alpha1.ReasonApprovalRequired, back[:7], "1 repave")
			r.still("held", 3)
			r.annotate(v1alpha1.AnnotationApprove, back)
			op := r.approvedBack()
			if loose {
				r.UntilEnded(op, v1alpha1.OperationSucceeded, v1alpha1.ReasonUnchanged)
			} else {
				r.UntilEnded(op, v1alpha1.OperationFailed, v1alpha1.ReasonIdentityMismatch, "UID")
			}
			if got := r.wipes()["server-003"]; got != 1 {
				t.Errorf("the machine was wiped %d times", got)
			}
		})
	}
}

// approvedBack gives the Operation that a rollout made for the Server that is back.
func (r *FleetRoom) approvedBack() *v1alpha1.Operation {
	r.Helper()
	server := r.Server(3)
	r.Until(server, "back", func() bool { return server.DeletionTimestamp == nil })
	var found *v1alpha1.Operation
	r.Eventually("the Operation", func() bool {
		list := &v1alpha1.OperationList{}
		if err := r.Client.List(r.Context(), list, client.InNamespace(r.Namespace)); err != nil {
			r.Fatal(err)
		}
		for i := range list.Items {
			if list.Items[i].Spec.ServerRef.UID == string(server.UID) {
				found = &list.Items[i]
			}
		}
		return found != nil
	}, server)
	return found
}

// TestFleetDeleted: its objects stay as they are, and so do the machines.
func TestFleetDeleted(t *testing.T) {
	t.Parallel()
	r := inUse(t, 3)
	before := r.versions()
	r.Delete(r.Fleet)
	r.UntilGone(r.Fleet)
	r.Push("os 9", map[string]string{r.at("profile.yaml"): profileFile("9.0.0")})
	// The group has its chance: it takes up what is edited now.
	group := r.Group("web", 1)
	r.patch(t, "servergroups.stargate.io/web", `{"spec":{"rollout":{"maxUnavailable":1}}}`)
	r.Until(group, "looked at again", func() bool { return group.Status.ObservedGeneration == group.Generation })
	r.untouched("the fleet is gone", before)
	r.still("the fleet is gone", 3)
}

// TestFleetPointedElsewhere: to a folder without anything, to one that is not there, to another tree, to
// another repository: the guard counts what would be pruned, and nothing is.
func TestFleetPointedElsewhere(t *testing.T) {
	t.Parallel()
	r := inUse(t, 3)
	r.Push("elsewhere", map[string]string{"empty/README.md": "nothing\n", "other/datacenters/" + r.Namespace + "/profile.yaml": profileFile("3.0.0")})
	r.Edit(r.Fleet, func() { r.Fleet.Spec.Guard, r.Fleet.Spec.Path = v1alpha1.Guard{MaxRepaves: all()}, "datacenters" })
	r.Until(r.Fleet, "looked at", func() bool { return r.Fleet.Status.ObservedGeneration == r.Fleet.Generation })
	repo, err := gitserver.NewRepo(strings.TrimSuffix(r.Repo.Dir, "fleet.git") + "another.git")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Write(map[string]string{r.at("profile.yaml"): profileFile("4.0.0")}); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit("another"); err != nil {
		t.Fatal(err)
	}
	before := r.versions()
	for _, step := range []struct {
		what, path, url string
		words           []string
	}{
		{"an empty folder", "empty", r.Git.Repo("fleet.git"), nil},
		{"no folder", "nowhere", r.Git.Repo("fleet.git"), nil},
		{"another tree", "other", r.Git.Repo("fleet.git"), []string{"pruned", "maxDeletes"}},
		{"another repository", "", r.Git.Repo("another.git"), []string{"pruned", "maxDeletes"}},
	} {
		r.Edit(r.Fleet, func() { r.Fleet.Spec.Path, r.Fleet.Spec.URL = step.path, step.url })
		r.Until(r.Fleet, "at "+step.what, func() bool {
			ready := meta.FindStatusCondition(r.Fleet.Status.Conditions, v1alpha1.ConditionReady)
			return ready != nil && ready.Status == metav1.ConditionFalse && ready.ObservedGeneration == r.Fleet.Generation &&
				!slices.ContainsFunc(step.words, func(word string) bool { return !strings.Contains(ready.Message, word) })
		})
		t.Logf("%s: %s", step.what, meta.FindStatusCondition(r.Fleet.Status.Conditions, v1alpha1.ConditionReady).Message)
		r.untouched(step.what, before)
	}
	r.still("pointed elsewhere", 3)
}
