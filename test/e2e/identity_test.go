package e2e

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers/dcapi/wire"
)

// TestSharedIdentity: of two Servers that could be one machine, neither is touched, both say why,
// and mending either frees both.
func TestSharedIdentity(t *testing.T) {
	t.Parallel()
	room := NewWorld(t).Room(site.Config{})
	room.Start()
	for i, c := range []struct {
		name  string
		share func(a, b *v1alpha1.Server)
		mend  func(b *v1alpha1.Server)
		word  string
	}{
		{"MAC in another case", func(a, b *v1alpha1.Server) { a.Spec.MAC, b.Spec.MAC = "aa:bb:cc:00:ee:01", "AA:BB:CC:00:EE:01" },
			func(b *v1alpha1.Server) { b.Spec.MAC = "aa:bb:cc:00:ee:02" }, "mac"},
		{"boot MAC", func(a, b *v1alpha1.Server) {
			a.Spec.BootMACAddress, b.Spec.BootMACAddress = "aa:bb:cc:00:ee:11", "aa:bb:cc:00:ee:11"
		}, func(b *v1alpha1.Server) { b.Spec.BootMACAddress = "" }, "mac"},
		{"boot MAC that is another's MAC", func(a, b *v1alpha1.Server) { b.Spec.BootMACAddress = a.Spec.MAC },
			func(b *v1alpha1.Server) { b.Spec.BootMACAddress = "" }, "mac"},
		{"BMC", func(a, b *v1alpha1.Server) {
			a.Spec.BMC, b.Spec.BMC = &v1alpha1.BMC{Address: "10.9.0.1"}, &v1alpha1.BMC{Address: "10.9.0.1"}
		}, func(b *v1alpha1.Server) { b.Spec.BMC.Address = "10.9.0.2" }, "bmc"},
		{"BMC spelled otherwise", func(a, b *v1alpha1.Server) {
			a.Spec.BMC, b.Spec.BMC = &v1alpha1.BMC{Address: "bmc-1.example.com"}, &v1alpha1.BMC{Address: "https://BMC-1.example.com/"}
		}, func(b *v1alpha1.Server) { b.Spec.BMC.Address = "bmc-2.example.com" }, "bmc"},
		{"address", func(a, b *v1alpha1.Server) { b.Spec.IPv4 = a.Spec.IPv4 },
			func(b *v1alpha1.Server) { b.Spec.IPv4 = "10.250.0.1" }, "address"},
		{"MAC where one of them names the Datacenter", func(a, b *v1alpha1.Server) {
			b.Spec.MAC, b.Spec.DatacenterRef = a.Spec.MAC, &v1alpha1.LocalReference{Name: "dc"}
		}, func(b *v1alpha1.Server) { b.Spec.MAC = "aa:bb:cc:00:ee:03" }, "mac"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sharedIdentity(room.In(t), 10*i, c.share, c.mend, c.word)
		})
	}
}

func sharedIdentity(r *Room, n int, share func(a, b *v1alpha1.Server), mend func(b *v1alpha1.Server), word string) {
	a, b := r.Server(n+1), r.Server(n+2)
	share(a, b)
	r.Create(a, b)
	ops := []*v1alpha1.Operation{r.Repave(fmt.Sprintf("a-%d", n), n+1), r.Repave(fmt.Sprintf("b-%d", n), n+2)}
	r.Create(ops[0], ops[1])
	r.UntilHeld(ops[0], v1alpha1.ReasonIdentityConflict, a.Name, b.Name, word, "correct")
	r.UntilHeld(ops[1], v1alpha1.ReasonIdentityConflict, b.Name, a.Name, word, "correct")
	for _, pair := range [][2]*v1alpha1.Server{{a, b}, {b, a}} {
		server, other := pair[0], pair[1]
		r.UntilCondition(server, &server.Status.Conditions, v1alpha1.ConditionHealthy, v1alpha1.ReasonIdentityConflict, other.Name, word)
		r.UntilCondition(server, &server.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonIdentityConflict, other.Name)
	}
	r.Accepted(a.Name, 0)
	r.Accepted(b.Name, 0)

	r.Edit(b, func() { mend(b) })
	for i, server := range []*v1alpha1.Server{a, b} {
		r.UntilPhase(ops[i], v1alpha1.OperationSucceeded)
		r.Accepted(server.Name, 1)
		r.UntilCondition(server, &server.Status.Conditions, v1alpha1.ConditionHealthy, v1alpha1.ReasonReady)
	}
}

// TestConflictEndsWithTheOther: deleting one of two frees the other as correcting it does.
func TestConflictEndsWithTheOther(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	a, b := r.Server(1), r.Server(2)
	b.Spec.MAC = a.Spec.MAC
	op := r.Repave("repave", 1)
	r.Create(a, b, op)
	r.UntilHeld(op, v1alpha1.ReasonIdentityConflict)
	r.Unasked()
	r.Delete(b)
	r.UntilPhase(op, v1alpha1.OperationSucceeded)
	r.UntilCondition(a, &a.Status.Conditions, v1alpha1.ConditionHealthy, v1alpha1.ReasonReady)
}

// TestIdentityRefusedBySite: a site that knows another machine under that name has the last word.
func TestIdentityRefusedBySite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		machine wire.Server
	}{
		{"MAC", wire.Server{ServerID: "server-001", MAC: "aa:bb:cc:99:99:99"}},
		{"MAC of another server", wire.Server{ServerID: "server-077", MAC: "aa:bb:cc:dd:00:01"}},
		{"UID", wire.Server{ServerID: "server-001", UID: "0f0f0f0f-0000-4000-8000-000000000000"}},
		{"BMC", wire.Server{ServerID: "server-001", BMC: "10.8.8.8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{})
			if err := r.Site.Register(site.Machine{Server: c.machine, OSVersion: "1.0.0"}); err != nil {
				t.Fatal(err)
			}
			r.Start()
			server, op := r.Server(1), r.Repave("repave", 1)
			server.Spec.BMC = &v1alpha1.BMC{Address: "10.7.7.7"}
			r.Create(server, op)
			r.UntilEnded(op, v1alpha1.OperationFailed, v1alpha1.ReasonIdentityMismatch, "server-001", "compare")
			r.Accepted("server-001", 0)
			if m := r.Site.Machines()[c.machine.ServerID]; m.Repaves != 0 || m.OSVersion != "1.0.0" {
				t.Errorf("the machine was touched: %+v", m)
			}
			r.Unclaimed(server)
			if server.Status.State != v1alpha1.ServerUntouched || server.Status.Quarantine != nil {
				t.Errorf("an untouched Server is now %q, quarantine %+v", server.Status.State, server.Status.Quarantine)
			}
			if got := op.Status.LastAttempt().Outcome; got != v1alpha1.AttemptRejected {
				t.Errorf("the attempt ended %s", got)
			}
		})
	}
}

// TestOnlyIfNeeded: a machine of which Stargate has lost what it knew, as after a restored backup,
// is not wiped for what it already has.
func TestOnlyIfNeeded(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{LooseUID: true})
	r.Start()
	server, first := r.Server(1), r.Repave("first", 1)
	r.Create(server, first)
	r.UntilPhase(first, v1alpha1.OperationSucceeded)
	r.Delete(server, first)
	r.UntilGone(server)
	r.UntilGone(first)

	server, again := r.Server(1), r.Repave("again", 1)
	again.Spec.OnlyIfNeeded = true
	r.Create(server, again)
	r.UntilEnded(again, v1alpha1.OperationSucceeded, v1alpha1.ReasonUnchanged)
	if got := r.Site.Machines()[server.Name].Repaves; got != 1 {
		t.Errorf("the machine was repaved %d times, not once", got)
	}
	r.Until(server, "recorded", func() bool { return server.Status.Applied != nil })
	if server.Status.State != v1alpha1.ServerReady || server.Status.CurrentOS != "2.0.0" ||
		server.Status.Applied.Hash != again.Status.DecidedOn.ProfileHash {
		t.Errorf("the Server is recorded as %+v", server.Status)
	}

	newer := Repave(r.Namespace, "newer", server.Name, "newer")
	newer.Spec.OnlyIfNeeded = true
	r.Create(Profile(r.Namespace, "newer", "2.1.0"), newer)
	r.UntilEnded(newer, v1alpha1.OperationSucceeded, v1alpha1.ReasonSucceeded)
	if got := r.Site.Machines()[server.Name]; got.Repaves != 2 || got.OSVersion != "2.1.0" {
		t.Errorf("a machine that needed it is %+v", got)
	}
}

// TestLabelsDoNotMatter: a profile's label is not its content.
func TestLabelsDoNotMatter(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	server, first := r.Server(1), r.Repave("first", 1)
	r.Create(server, first)
	r.UntilPhase(first, v1alpha1.OperationSucceeded)
	profile := &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "os"}}
	r.Edit(profile, func() { profile.Labels = map[string]string{"team": "web"} })
	again := r.Repave("again", 1)
	again.Spec.OnlyIfNeeded = true
	r.Create(again)
	r.UntilEnded(again, v1alpha1.OperationSucceeded, v1alpha1.ReasonUnchanged)
	if got := r.Site.Machines()[server.Name].Repaves; got != 1 {
		t.Errorf("the machine was repaved %d times, not once", got)
	}
}
