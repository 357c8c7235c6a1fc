package controllers

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"stargate.io/stargate/api/v1alpha1"
)

// TestGoneSites: Datacenters come and go, and nothing of those that went is kept.
func TestGoneSites(t *testing.T) {
	s := newSites(nil, nil, clock.RealClock{}, nil, time.Minute)
	name := types.NamespacedName{Namespace: "ns", Name: "dc"}
	for _, uid := range []types.UID{"a", "b"} {
		built := s.site(context.Background(), &v1alpha1.Datacenter{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, UID: uid},
			Spec:       v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: "http://127.0.0.1:1"},
		})
		if built.driver == nil {
			t.Fatal(built.problem)
		}
	}
	if s.keep(name, "b"); len(s.built) != 1 || s.built["b"] == nil {
		t.Errorf("%d sites are kept, want the one that is there", len(s.built))
	}
	if s.keep(name, ""); len(s.built) != 0 {
		t.Errorf("%d sites are kept of a Datacenter that is gone", len(s.built))
	}
}
