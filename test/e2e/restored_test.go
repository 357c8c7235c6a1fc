package e2e

import (
	"os"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/cluster"
)

// TestRestoredBackup: the API server's data is set back to what it was before a rollout. The machines
// were not: what they have got meanwhile is recorded when it is asked for again, and nothing is wiped.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t)
	kube, err := client.New(c.Config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	const servers = 4
	r := (&World{TB: t, Cluster: c, Client: kube}).Room(site.Config{})
	r.Members(servers)
	group := r.Group("web", 2)
	r.Create(group)
	stop := r.Start()
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired)
	r.Approve(group)
	r.UntilUpToDate(group, servers)
	stop()

	backup := t.TempDir()
	c.Restart(t, func(data string) error { return os.CopyFS(backup, os.DirFS(data+"/etcd/member")) })
	stop = r.Start()
	r.rollOut(group, "2.1.0", servers)
	stop()
	wiped := r.wipes()
	if len(wiped) != servers {
		t.Fatalf("the machines wiped are %v", wiped)
	}

	c.Restart(t, func(data string) error {
		if err := os.RemoveAll(data + "/etcd/member"); err != nil {
			return err
		}
		return os.CopyFS(data+"/etcd/member", os.DirFS(backup))
	})
	r.Start()
	r.UntilUpToDate(group, servers) // as it was when the backup was made
	if server := r.Server(1); server.Status.CurrentOS == "2.1.0" {
		t.Fatal("the data was not set back")
	}
	r.rollOut(group, "2.1.0", servers)
	for name, times := range r.wipes() {
		if times != wiped[name] {
			t.Errorf("machine %s was wiped %d times, and once too often after the data was set back", name, times)
		}
	}
	for n := 1; n <= servers; n++ {
		server := r.Server(n)
		r.Refresh(server)
		if server.Status.CurrentOS != "2.1.0" || server.Status.State != v1alpha1.ServerReady {
			t.Errorf("Server %s is %s with OS %s", server.Name, server.Status.State, server.Status.CurrentOS)
		}
	}
}

// rollOut gives the profile another OS, lets pass what the guard holds, and waits for the end.
func (r *Room) rollOut(group *v1alpha1.ServerGroup, version string, servers int32) {
	r.Helper()
	before := group.Status.Revision.Number
	profile := Profile(r.Namespace, "os", version)
	r.Edit(profile, func() { profile.Spec.OSVersion = version })
	r.Until(group, "at another revision", func() bool { return group.Status.Revision.Number > before })
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired)
	r.Approve(group)
	r.UntilUpToDate(group, servers)
}

// wipes counts, for each machine, how often its disk was written to.
func (r *Room) wipes() map[string]int {
	r.Helper()
	times := map[string]int{}
	for name, machine := range r.Site.Machines() {
		times[name] = machine.Repaves
	}
	return times
}
