package e2e

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// TestRepave is the way without anything in it: what status says happened is what the site's record
// says happened, at both versions of the API.
func TestRepave(t *testing.T) {
	t.Parallel()
	for _, api := range []string{site.V1, site.V2} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{API: api})
			r.Start()
			server, op, dc := r.Server(1), r.Repave("repave", 1), r.DC()
			r.Create(server, op)
			r.UntilEnded(op, v1alpha1.OperationSucceeded, v1alpha1.ReasonSucceeded)
			r.Unclaimed(server)
			accepted := Events(r.Site, site.Accepted)
			if len(accepted) != 1 {
				t.Fatalf("the site made %d jobs", len(accepted))
			}
			job, attempt := accepted[0], op.Status.LastAttempt()
			if job.JobID != op.Status.DCJobID || job.JobID != attempt.JobID || attempt.Outcome != v1alpha1.AttemptSucceeded {
				t.Errorf("the site made job %s, status says %s, attempt %+v", job.JobID, op.Status.DCJobID, attempt)
			}
			if got := job.Job.Server; got.ServerID != server.Name || got.MAC != server.Spec.MAC || got.IPv4 != server.Spec.IPv4 {
				t.Errorf("the site was told of machine %+v", got)
			}
			if api == site.V2 && (job.RequestID != attempt.RequestID || job.Job.Server.UID != string(server.UID) || job.Job.ProfileHash != server.Status.Applied.Hash) {
				t.Errorf("the site was asked with %+v", job)
			}
			if s := server.Status; s.State != v1alpha1.ServerReady || s.CurrentOS != "2.0.0" || s.Applied.Operation != op.Name || s.LastOperation.UID != string(op.UID) {
				t.Errorf("the Server is %+v", s)
			}
			r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonReady)
			if once := meta.IsStatusConditionTrue(dc.Status.Conditions, v1alpha1.ConditionExactlyOnce); once != (api == site.V2) || dc.Status.APIVersion != api {
				t.Errorf("the Datacenter says of a %s site: API %s, exactly once %v", api, dc.Status.APIVersion, once)
			}
		})
	}
}

// TestNamespaceDeleted: a room that is torn down at once, with a job under way and the Secret gone
// first, ends the job and leaves nothing that would keep it from going.
func TestNamespaceDeleted(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).RoomWith(site.Config{Token: "open-sesame"}, func(dc *v1alpha1.Datacenter) {
		dc.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: "credentials"}
	})
	r.Create(theSecret(r))
	r.Start()
	r.fault(site.Fault{Kind: site.HangJob})
	op, held := r.Repave("repave", 1), r.Repave("held", 1)
	r.Create(r.Server(1), op)
	r.UntilPhase(op, v1alpha1.OperationRunning)
	r.Create(held)
	r.UntilHeld(held, v1alpha1.ReasonServerBusy)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}}
	r.Delete(namespace)
	for _, object := range []client.Object{op, held, r.Server(1), r.datacenterNamed("dc"), namespace} {
		r.UntilGone(object)
	}
	r.Accepted("server-001", 1)
	if ended := Events(r.Site, site.Ended); len(ended) != 1 || ended[0].Phase != "cancelled" {
		t.Errorf("the job ended as %+v", ended)
	}
}
