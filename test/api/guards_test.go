package api_test

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/config"
	"stargate.io/stargate/engine/admission"
	"stargate.io/stargate/test/cluster"
)

// everything that can be vouched for.
var everything = admission.Vouches{Requester: true, Source: true, Approvals: true, Overrides: true}

func vouchesOnly(v admission.Vouches) admission.Vouches {
	v.Since, v.Why = time.Time{}, ""
	return v
}

// TestGuardsAreInForce where they were installed: what the API server fills in makes no difference.
func TestGuardsAreInForce(t *testing.T) {
	c := cluster.Shared(t)
	objects, err := config.Admission()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := client.New(c.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	guards, err := admission.Probe(t.Context(), reader, objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, guard := range guards {
		if !guard.InForce() || guard.Since.IsZero() {
			t.Errorf("%s: missing %v, differing %v, since %s", guard.Name, guard.Missing, guard.Differing, guard.Since)
		}
	}
	if got := admission.VouchesOf(guards); vouchesOnly(got) != everything || got.Why != "" {
		t.Errorf("vouches: %+v", got)
	}
}

// TestWatcher tells at once when a guard goes, and when it comes back, as the controller's own account.
func TestWatcher(t *testing.T) {
	c := cluster.Start(t)
	installRBAC(t, c)
	objects, err := config.Admission()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watcher, ended, err := admission.Watch(ctx, c.As(controller, "system:serviceaccounts", "system:authenticated"), objects)
	if err != nil {
		t.Fatal(err)
	}
	defer ended()
	defer cancel()
	moved := make(chan struct{}, 64)
	watcher.OnChange(func() { moved <- struct{}{} })
	until := func(what string, want admission.Vouches) admission.Vouches {
		t.Helper()
		for {
			if got := watcher.Vouches(); vouchesOnly(got) == want {
				return got
			}
			select {
			case <-moved:
			case <-time.After(time.Minute): // far beyond what a watch takes
				t.Fatalf("%s: vouches %+v", what, watcher.Vouches())
			}
		}
	}
	first := until("at the start", everything)
	bindings := clientset(t, c.Config).AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	if err := bindings.Delete(t.Context(), admission.Override, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until("a binding is gone", admission.Vouches{Requester: true, Source: true, Approvals: true})
	if err := c.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	if again := until("it is back", everything); again.Since.Before(first.Since) {
		t.Errorf("vouched for since %s, before since %s", again.Since, first.Since)
	}
}

// TestWatcherWithoutAccess vouches for nothing, says why, and does not wait for ever.
func TestWatcherWithoutAccess(t *testing.T) {
	c := cluster.Shared(t)
	objects, err := config.Admission()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watcher, ended, err := admission.Watch(ctx, c.As("nobody", "system:authenticated"), objects)
	if err != nil {
		t.Fatal(err)
	}
	defer ended()
	defer cancel()
	if got := watcher.Vouches(); vouchesOnly(got) != (admission.Vouches{}) || got.Why == "" {
		t.Errorf("vouches: %+v", got)
	}
}
