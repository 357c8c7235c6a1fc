package e2e

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine"
)

// moment is how far an Operation has come when something is deleted under it.
type moment struct {
	name string
	// bring makes Operation "repave" get there, and stay.
	bring func(*Room, *v1alpha1.Operation)
	// further lets it go on.
	further func(*Room)
}

var (
	whileHeld = moment{"held", func(r *Room, op *v1alpha1.Operation) {
		server := r.Server(1)
		server.Spec.Paused = true
		r.Create(server, op)
		r.UntilHeld(op, v1alpha1.ReasonServerPaused)
	}, pauseServer.undo}
	// The site says that it did not take the request.
	whileDispatching = moment{"dispatching", func(r *Room, op *v1alpha1.Operation) {
		r.fault(site.Fault{Kind: site.Status, Path: "/operations", Status: 429})
		r.Create(r.Server(1), op)
		r.UntilHeld(op, drivers.ReasonBusy, "429")
	}, func(r *Room) { r.Site.ClearFaults() }}
	// The site hangs up, and may or may not have taken the request.
	whileInDoubt = moment{"in doubt", func(r *Room, op *v1alpha1.Operation) {
		r.fault(site.Fault{Kind: site.Refuse, Path: "/operations"})
		r.Create(r.Server(1), op)
		r.UntilHeld(op, drivers.ReasonUnreachable, r.Namespace)
	}, func(r *Room) { r.Site.ClearFaults() }}
	whileRunning = moment{"running", func(r *Room, op *v1alpha1.Operation) {
		r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
		r.Create(r.Server(1), op)
		r.UntilPhase(op, v1alpha1.OperationRunning)
	}, func(r *Room) { r.Site.ClearFaults() }}
)

func (r *Room) fault(fault site.Fault) {
	r.Helper()
	if _, err := r.Site.AddFault(fault); err != nil {
		r.Fatal(err)
	}
}

// deletion is what is deleted and what must come of it.
type deletion struct {
	name  string
	at    moment
	what  func(*Room) client.Object
	then  func(*Room, *v1alpha1.Operation)
	again bool // it is made again, and the Operation goes on and succeeds
	jobs  int
}

func theOperation(r *Room) client.Object { return r.Repave("repave", 1) }
func theServer(r *Room) client.Object    { return r.Server(1) }
func theProfile(r *Room) client.Object   { return Profile(r.Namespace, "os", "2.0.0") }
func theSecret(r *Room) client.Object    { return token(r.Namespace, "credentials", "open-sesame") }
func theDatacenter(r *Room) client.Object {
	dc := r.DC()
	return &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: dc.Namespace, Name: dc.Name}, Spec: dc.Spec}
}

// token is a Secret with a bearer token.
func token(namespace, name, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Data: map[string][]byte{"token": []byte(value)}}
}

func gone(r *Room, op *v1alpha1.Operation)     { r.UntilGone(op) }
func succeeds(r *Room, op *v1alpha1.Operation) { r.UntilPhase(op, v1alpha1.OperationSucceeded) }

// TestDeletedUnderIt: deleting anything at any time touches no machine that is not being worked on,
// and leaves no job, claim or finalizer behind. A rename is a deletion to whoever had the old name.
func TestDeletedUnderIt(t *testing.T) {
	t.Parallel()
	stays := func(r *Room, op *v1alpha1.Operation) {
		r.Refresh(op)
		if op.Status.Phase != v1alpha1.OperationRunning {
			r.Errorf("Operation %s is %s", op.Name, op.Status.Phase)
		}
	}
	for _, c := range []deletion{
		{"the Operation", whileHeld, theOperation, gone, false, 0},
		{"the Operation", whileDispatching, theOperation, gone, false, 0},
		{"the Operation", whileInDoubt, theOperation, gone, false, 0},
		{"the Operation", whileRunning, theOperation, nil, false, 1},
		{"the Server", whileHeld, theServer, endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonServerDeleted), false, 0},
		{"the Server", whileDispatching, theServer, endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonServerDeleted), false, 0},
		{"the Server", whileInDoubt, theServer, endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonServerDeleted), false, 0},
		{"the Server", whileRunning, theServer, nil, false, 1},
		{"the profile", whileHeld, theProfile, heldFor(v1alpha1.ReasonProfileNotFound, "spec.provisioningProfileRef.name", "os"), true, 1},
		{"the profile", whileDispatching, theProfile, heldFor(v1alpha1.ReasonProfileNotFound, "spec.provisioningProfileRef.name", "os"), true, 1},
		{"the profile", whileInDoubt, theProfile, heldFor(v1alpha1.ReasonProfileNotFound, "spec.provisioningProfileRef.name", "os"), true, 1},
		{"the profile", whileRunning, theProfile, stays, false, 1},
		{"the Datacenter", whileHeld, theDatacenter, heldFor(v1alpha1.ReasonDatacenterNotFound), true, 1},
		{"the Datacenter", whileDispatching, theDatacenter, endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonDatacenterDeleted), false, 0},
		{"the Datacenter", whileInDoubt, theDatacenter, endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonDatacenterDeleted), false, 0},
		{"the Datacenter", whileRunning, theDatacenter, stays, false, 1},
		{"the Secret", whileHeld, theSecret, func(r *Room, op *v1alpha1.Operation) {
			// An edit has the Datacenter looked at now.
			dc := r.DC()
			r.Edit(dc, func() { dc.Spec.Reason = "looked at" })
			r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonSecretNotFound)
			pauseServer.undo(r)
			r.UntilHeld(op, v1alpha1.ReasonSecretNotFound, "spec.credentialsRef", "credentials")
		}, true, 1},
		{"the Secret", whileDispatching, theSecret, heldFor(v1alpha1.ReasonSecretNotFound, "spec.credentialsRef", "credentials"), true, 1},
		{"the Secret", whileInDoubt, theSecret, heldFor(v1alpha1.ReasonSecretNotFound, "spec.credentialsRef", "credentials"), true, 1},
		{"the Secret", whileRunning, theSecret, heldFor(v1alpha1.ReasonSecretNotFound, "spec.credentialsRef", "credentials"), true, 1},
	} {
		t.Run(c.name+" while it is "+c.at.name, func(t *testing.T) {
			t.Parallel()
			deletedUnderIt(t, c)
		})
	}
}

func deletedUnderIt(t *testing.T, c deletion) {
	r := NewWorld(t).RoomWith(site.Config{Token: "open-sesame"}, func(dc *v1alpha1.Datacenter) {
		dc.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: "credentials"}
	})
	r.Create(theSecret(r))
	r.Start(fresh)
	op := r.Repave("repave", 1)
	c.at.bring(r, op)
	object := c.what(r)
	r.Delete(c.what(r))
	if c.then != nil {
		c.then(r, op)
	}
	if c.again {
		r.Create(object)
	}
	if c.again || c.at.name != whileHeld.name {
		c.at.further(r)
	}
	if c.again {
		succeeds(r, op)
	}
	r.settled(op)
	r.Accepted("server-001", c.jobs)
	r.UntilNothingHeldBack(op)
}

// fresh has Secrets looked at again often, so that a test need not wait for it.
func fresh(options *engine.Options) { options.SecretsEvery = 300 * time.Millisecond }

// settled waits until the Operation has ended, whatever its end, or is gone.
func (r *Room) settled(op *v1alpha1.Operation) {
	r.Helper()
	r.Eventually("Operation "+op.Name+" to end", func() bool {
		err := r.Client.Get(r.Context(), client.ObjectKeyFromObject(op), op)
		return client.IgnoreNotFound(err) == nil && (err != nil || op.Status.Phase.Terminal())
	})
}

// UntilNothingHeldBack deletes everything in the room but the controller, and waits until all of it
// is gone, no job lives, and no claim is left.
func (r *Room) UntilNothingHeldBack(op *v1alpha1.Operation) {
	r.Helper()
	servers := &v1alpha1.ServerList{}
	if err := r.Client.List(r.Context(), servers, client.InNamespace(r.Namespace)); err != nil {
		r.Fatal(err)
	}
	for i := range servers.Items {
		if claim := servers.Items[i].Status.ActiveOperation; claim != nil {
			r.Errorf("Server %s is still claimed by %+v", servers.Items[i].Name, claim)
		}
	}
	for _, object := range []client.Object{op, r.Server(1), &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "dc"}}} {
		if err := client.IgnoreNotFound(r.Client.Delete(r.Context(), object)); err != nil {
			r.Fatal(err)
		}
		r.UntilGone(object)
	}
	r.Eventually("the site to have no live job", func() bool {
		return len(Events(r.Site, site.Accepted)) == len(Events(r.Site, site.Ended))
	})
}

// TestDeletedJobIsCancelled: a job whose Operation is deleted is ended where the site can, seen out
// where it cannot, and the machine is known to be half done.
func TestDeletedJobIsCancelled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api, phase string
		state      v1alpha1.ServerState
	}{{site.V2, "cancelled", v1alpha1.ServerError}, {site.V1, "succeeded", v1alpha1.ServerReady}} {
		t.Run(c.api, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{API: c.api, Duration: 3 * time.Second})
			r.Start()
			server, op := r.Server(1), r.Repave("repave", 1)
			r.Create(server, op)
			r.UntilPhase(op, v1alpha1.OperationRunning)
			r.Eventually("the disk to be written to", func() bool {
				began := Events(r.Site, site.Began)
				return len(began) > 0 && time.Since(began[0].At) > 2*time.Second
			})
			r.Delete(op)
			r.UntilGone(op)
			if ended := Events(r.Site, site.Ended); len(ended) != 1 || ended[0].Phase != c.phase {
				t.Errorf("the job ended as %+v, not %s", ended, c.phase)
			}
			r.Unclaimed(server)
			if server.Status.State != c.state {
				t.Errorf("the Server is %q, not %q: %+v", server.Status.State, c.state, server.Status)
			}
		})
	}
}

// TestRenames: moving objects under other names never touches a machine a second time.
func TestRenames(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{LooseUID: true})
	r.Start()
	server, op := r.Server(1), r.Repave("repave", 1)
	r.Create(server, op)
	succeeds(r, op)

	// The same machine under another name; its Operation stays with the old one.
	r.Delete(server)
	r.UntilGone(server)
	renamed := r.Server(1)
	renamed.Name = "web-001"
	r.Create(renamed)
	again := r.Repave("again", 1)
	r.Create(again)
	r.UntilHeld(again, v1alpha1.ReasonServerNotFound, "server-001")

	// The profile under another name.
	r.Delete(Profile(r.Namespace, "os", "2.0.0"))
	r.Create(Profile(r.Namespace, "os-renamed", "2.0.0"))
	// A Datacenter under another name.
	moved := theDatacenter(r)
	r.Delete(r.DC())
	r.UntilGone(r.datacenterNamed("dc"))
	moved.SetName("dc-renamed")
	r.Create(moved)

	after := Repave(r.Namespace, "after", renamed.Name, "os-renamed")
	after.Spec.ServerRef.UID = "another"
	r.Create(after)
	r.UntilEnded(after, v1alpha1.OperationCancelled, v1alpha1.ReasonServerRecreated)
	r.Accepted("server-001", 1)
	r.Accepted("web-001", 0)
}

// datacenterNamed names a Datacenter of the room without reading it.
func (r *Room) datacenterNamed(name string) client.Object {
	return &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: name}}
}

// TestRunningJobStaysWithItsSite: a Datacenter that comes while a job runs through --dc-url does not
// get asked about that job.
func TestRunningJobStaysWithItsSite(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Delete(r.DC())
	url, fallback := r.OpenSite(site.Config{Duration: Quick, Faults: []site.Fault{{Kind: site.Lie, Sort: site.LieRunning}}})
	dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "dc"},
		Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url}}
	r.Start(func(options *engine.Options) { options.DatacenterURL = url })
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	r.UntilPhase(op, v1alpha1.OperationRunning)
	elsewhere, other := r.OpenSite(site.Config{Duration: Quick})
	dc.Spec.Endpoint = elsewhere
	r.Create(dc)
	r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	fallback.ClearFaults()
	succeeds(r, op)
	if got := other.Reads()["GET /jobs/{jobId}"]; got != 0 {
		t.Errorf("the new site was asked %d times about a job of another", got)
	}
	if got := fmt.Sprint(len(Events(fallback, site.Accepted)), len(Events(other, site.Accepted))); got != "1 0" {
		t.Errorf("jobs at the two sites: %s", got)
	}
}
