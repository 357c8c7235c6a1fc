package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/gitserver"
)

// TestGitServerDownAndBack: what is applied stays, the condition says so, and it recovers alone.
func TestGitServerDownAndBack(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 2)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	before := r.versions()
	r.Git.Break(gitserver.Fault{Status: http.StatusBadGateway})
	second := r.PushWorld("2.1.0", 2)
	r.Notify()
	r.UntilReady(v1alpha1.ReasonFetchFailed, "tried again at", first[:7]+" stays applied")
	r.shows(r.Fleet, status.InProgressStatus)
	r.untouched("git server down", before)
	r.Until(r.Fleet, "failing again", func() bool { return r.Fleet.Status.Failures > 1 })
	r.Git.Break(gitserver.Fault{OnlyPack: true, CutAfter: 100})
	r.Until(r.Fleet, "cut in mid-pack", func() bool { return r.Fleet.Status.Failures > 2 })
	r.untouched("cut in mid-pack", before)
	r.Git.Break(gitserver.Fault{})
	r.UntilApplied(second)
	if r.Fleet.Status.Failures != 0 {
		t.Errorf("%d failures stay", r.Fleet.Status.Failures)
	}
}

// TestForcePushAndVanishedRef: history that was rewritten is followed; a branch that is gone changes
// nothing, and one that is back is followed again.
func TestForcePushAndVanishedRef(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 2)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	forced := r.Push("other history", map[string]string{r.at("profile.yaml"): profileFile("3.0.0")}, gitserver.CommitOptions{Orphan: true})
	r.Notify()
	r.UntilApplied(forced)
	before := r.versions()
	if err := r.Repo.DeleteRef("refs/heads/main"); err != nil {
		t.Fatal(err)
	}
	r.Notify()
	r.Until(r.Fleet, "without its ref", func() bool {
		ready := meta.FindStatusCondition(r.Fleet.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == v1alpha1.ReasonRefNotFound
	})
	r.UntilReady(v1alpha1.ReasonRefNotFound, forced[:7]+" stays applied")
	r.shows(r.Fleet, status.FailedStatus)
	r.untouched("the ref is gone", before)
	if err := r.Repo.SetRef("refs/heads/main", first); err != nil {
		t.Fatal(err)
	}
	r.UntilApplied(first)
	r.Applies(3)
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 6 {
		t.Errorf("%d jobs", len(jobs))
	}
}

// TestFleetCredentials: wrong and missing ones are told, and right ones are used without anybody's doing.
func TestFleetCredentials(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{Username: "ann", Password: "the right one"})
	r.Fleet.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: "git"}
	commit := r.PushWorld("2.0.0", 1)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilReady(v1alpha1.ReasonSecretNotFound, "git", r.System, "nothing was applied yet")
	r.shows(r.Fleet, status.FailedStatus)
	r.Secret("git", map[string]string{"username": "ann", "password": "a wrong one"})
	r.UntilReady(v1alpha1.ReasonAuthenticationFailed)
	if ready := meta.FindStatusCondition(r.Fleet.Status.Conditions, v1alpha1.ConditionReady); strings.Contains(ready.Message, "a wrong one") {
		t.Errorf("the password is told: %s", ready.Message)
	}
	secret := map[string]string{"username": "ann", "password": "the right one"}
	r.Delete(r.secretNamed("git"))
	r.Secret("git", secret)
	r.UntilApplied(commit)
}

// TestSignatureRequired: a commit that nobody known signed changes nothing.
func TestSignatureRequired(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	private, public, err := gitserver.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	stranger, _, err := gitserver.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	r.Secret("keys", map[string]string{"allowed_signers": "ann@example.org " + strings.TrimSpace(public) + "\n"})
	r.Fleet.Spec.Verify = &v1alpha1.Verification{KeysRef: v1alpha1.SecretReference{Name: "keys"}, Mode: v1alpha1.VerifyRequire}
	unsigned := r.PushWorld("2.0.0", 1)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilReady(v1alpha1.ReasonSignatureInvalid, unsigned[:7], "nothing was applied yet")
	r.shows(r.Fleet, status.FailedStatus)
	foreign := r.Push("by a stranger", nil, gitserver.CommitOptions{Signer: gitserver.SSHSigner(stranger, "git")})
	r.Notify()
	r.UntilReady(v1alpha1.ReasonSignatureInvalid, foreign[:7])
	r.untouched("signed by a stranger", map[string]string{})
	signed := r.Push("signed", nil, gitserver.CommitOptions{Signer: gitserver.SSHSigner(private, "git")})
	r.Notify()
	r.UntilApplied(signed)
	if by := r.Fleet.Status.History[0].SignedBy; !strings.Contains(by, "ann@example.org") {
		t.Errorf("signed by %q", by)
	}
	server := r.Server(1)
	r.Refresh(server)
	if by := server.Annotations[v1alpha1.AnnotationSignedBy]; !strings.Contains(by, "ann@example.org") {
		t.Errorf("the object is signed by %q", by)
	}
}

// TestPruneWaitsForABusyServer: it is forgotten once its Operation ends, and never wiped.
func TestPruneWaitsForABusyServer(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 3)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
	busy := r.Do("busy", v1alpha1.ActionReboot, 3)
	r.Create(busy)
	r.UntilPhase(busy, v1alpha1.OperationRunning)
	second := r.Push("without the third", map[string]string{r.at("servers.yaml"): serversFile(2)})
	r.Notify()
	r.Until(r.Fleet, "at "+second, func() bool { return strings.HasSuffix(r.Fleet.Status.LastAppliedRevision, second) })
	server := r.Server(3)
	r.Refresh(server)
	if server.DeletionTimestamp != nil || len(r.Fleet.Status.Holds) != 1 || !strings.Contains(r.Fleet.Status.Holds[0].Message, server.Name) {
		t.Errorf("deleted %v; holds %+v", server.DeletionTimestamp, r.Fleet.Status.Holds)
	}
	r.Site.ClearFaults()
	r.UntilPhase(busy, v1alpha1.OperationSucceeded)
	r.UntilGone(server)
	r.Until(r.Fleet, "without a hold", func() bool { return len(r.Fleet.Status.Holds) == 0 })
	r.UntilApplied(second)
	for _, job := range Events(r.Site, site.Accepted) {
		if job.ServerID == server.Name && job.Action != "repave" && job.Action != "reboot" {
			t.Errorf("a pruned server got %+v", job)
		}
	}
}

// TestIntervalFindsAPush without a notice, and a controller that starts finds what was pushed before.
func TestIntervalFindsAPush(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	r.Fleet.Spec.Interval = &metav1.Duration{Duration: time.Second}
	r.Fleet.Spec.PushSecretRef = nil
	first := r.PushWorld("2.0.0", 1)
	stop := r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	second := r.PushWorld("2.1.0", 1)
	r.UntilApplied(second)
	stop()
	third := r.PushWorld("2.2.0", 1)
	r.Start(t)
	r.UntilApplied(third)
}
