package plan

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// applier is the field manager that fleets apply with.
const applier = "stargate-fleet"

// owners tells who wrote which field of a live object, where its managed fields are still known.
type owners struct {
	known       bool
	fleet, rest []map[string]any
}

func ownedBy(object metav1.Object) owners {
	var o owners
	for _, entry := range object.GetManagedFields() {
		if entry.FieldsV1 == nil || entry.Subresource != "" {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		o.known = true
		if entry.Manager == applier && entry.Operation == metav1.ManagedFieldsOperationApply {
			o.fleet = append(o.fleet, fields)
		} else {
			o.rest = append(o.rest, fields)
		}
	}
	return o
}

// fleets tells whether the fleet has written the field; what it no longer says then goes.
func (o owners) fleets(path ...string) bool { return anyHas(o.fleet, path) }

// others tells whether somebody else has written the field; it then stays.
func (o owners) others(path ...string) bool { return anyHas(o.rest, path) }

func anyHas(sets []map[string]any, path []string) bool {
	for _, set := range sets {
		if names(set, path...) {
			return true
		}
	}
	return false
}
