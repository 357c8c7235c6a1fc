package e2e

import (
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/gitserver"
)

// TestSlowGitSlowsNoOther: fleets whose servers never answer keep neither another fleet's commits nor its
// notices waiting, and a stop does not wait for them.
func TestSlowGitSlowsNoOther(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	r := w.FleetRoom(gitserver.Options{})
	slow, err := gitserver.StartHTTP(gitserver.Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	t.Cleanup(func() { close(release); _ = slow.Close() })
	slow.Break(gitserver.Fault{Handler: func(_ http.ResponseWriter, request *http.Request) {
		select {
		case <-release:
		case <-request.Context().Done():
		}
	}})
	names := []string{r.Fleet.Name}
	for _, suffix := range []string{"-a", "-b", "-c", "-d", "-e", "-f"} {
		other := r.Fleet.DeepCopy()
		other.Name += suffix
		other.Spec.URL, other.Spec.Timeout = slow.Repo("fleet.git"), &metav1.Duration{Duration: time.Hour}
		names = append(names, other.Name)
		r.Create(other)
	}
	first := r.PushWorld("2.0.0", 1)
	stop := r.Start(t, func(o *engine.Options) { o.Fleets = names })
	r.Create(r.Fleet)
	r.UntilApplied(first)
	second := r.PushWorld("2.1.0", 1)
	began := time.Now()
	r.Notify()
	r.UntilApplied(second)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("beside six that hang it took %s", took)
	}
	hanging := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: names[1]}}
	r.UntilCondition(hanging, &hanging.Status.Conditions, v1alpha1.ConditionReconciling, v1alpha1.ReasonFetching)
	began = time.Now()
	stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("to stop took %s", took)
	}
}
