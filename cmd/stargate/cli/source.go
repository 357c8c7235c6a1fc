package cli

import (
	"context"
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// fleetManager is the field manager under which fleets apply.
const fleetManager = "stargate-fleet"

// tellSource warns where a field of a group that is about to be changed is the repository's: the fleet
// puts it back. It is asked before the change, which takes the field over.
func (a *App) tellSource(ctx context.Context, c *cluster, name string, path ...string) {
	group := &v1alpha1.ServerGroup{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: c.namespace, Name: name}, group); err != nil {
		return // who changes it is told
	}
	if source := group.Annotations[v1alpha1.AnnotationSource]; source != "" && saidByFleet(group, path...) {
		a.note("Fleet %s says the same field at %s and will put it back: change it there too",
			render.Clean(group.Labels[v1alpha1.LabelFleet]), render.Clean(source))
	}
}

// saidByFleet tells whether a fleet's repository gives a field.
func saidByFleet(object client.Object, path ...string) bool {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager != fleetManager || entry.FieldsV1 == nil {
			continue
		}
		var owned map[string]any
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) != nil {
			continue
		}
		if has(owned, path) {
			return true
		}
	}
	return false
}

func has(owned map[string]any, path []string) bool {
	for _, step := range path {
		inner, ok := owned[step].(map[string]any)
		if !ok {
			return false
		}
		owned = inner
	}
	return true
}

// timeOrNil is a time as JSON has it; nil removes the field.
func timeOrNil(at *time.Time) any {
	if at == nil {
		return nil
	}
	return at.UTC().Format(time.RFC3339)
}

func sameTime(a *metav1.Time, b *time.Time) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Equal(&metav1.Time{Time: *b})
}
