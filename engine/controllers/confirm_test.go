package controllers

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// datacenterNow is an API server's Datacenter.
type datacenterNow struct {
	client.Reader
	dc v1alpha1.Datacenter
}

// Get implements client.Reader.
func (d datacenterNow) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	d.dc.DeepCopyInto(object.(*v1alpha1.Datacenter)) //nolint:forcetypeassert // nothing else is asked for
	return nil
}

// TestMovedSite: a Datacenter is edited, or made anew, in the moment before the deed, and the driver
// still reaches the site that it was. A wipe must not go there.
func TestMovedSite(t *testing.T) {
	for name, test := range map[string]struct {
		uid        types.UID
		generation int64
		paused     bool
		conflict   bool
	}{
		"edited":    {uid: "a", generation: 2, conflict: true},
		"made anew": {uid: "b", generation: 1, conflict: true},
		"paused":    {uid: "a", generation: 2, paused: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Operations{live: datacenterNow{dc: v1alpha1.Datacenter{
				ObjectMeta: metav1.ObjectMeta{Name: "dc", UID: test.uid, Generation: test.generation},
				Spec:       v1alpha1.DatacenterSpec{Paused: test.paused},
			}}}
			p := &pass{}
			p.Site.Name, p.datacenter.uid, p.datacenter.generation = "dc", "a", 1
			err := r.confirm(context.Background(), p)
			if apierrors.IsConflict(err) != test.conflict {
				t.Fatalf("got %v", err)
			}
			if held := p.Confirmed.Hold != nil; held != test.paused {
				t.Errorf("held: %v", held)
			}
		})
	}
}
