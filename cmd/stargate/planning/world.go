package planning

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/plan"
	"stargate.io/stargate/engine/profile"
	"stargate.io/stargate/gitsync/apply"
)

// World is what lives, as far as plans go. It is also the shape of a snapshot file: fields are added,
// never changed.
type World struct {
	render.Header
	// TakenAt is when it was looked at.
	TakenAt time.Time `json:"takenAt"`

	Fleets      []*v1alpha1.Fleet               `json:"fleets"`
	Datacenters []*v1alpha1.Datacenter          `json:"datacenters"`
	Profiles    []*v1alpha1.ProvisioningProfile `json:"profiles"`
	Servers     []*v1alpha1.Server              `json:"servers"`
	Groups      []*v1alpha1.ServerGroup         `json:"groups"`
	Policies    []*v1alpha1.Policy              `json:"policies"`
	Hooks       []*v1alpha1.Hook                `json:"hooks"`
	// Operations that have not ended, and the latest repaves that succeeded, which say how long they take.
	// Those that failed lately are there too: rules count them.
	Operations []*v1alpha1.Operation `json:"operations"`
	// Vouches is what admission vouches for; nil where whoever looked may not know.
	Vouches *Vouches `json:"vouches,omitempty"`
	// Missing kinds: whoever looked may not list them.
	Missing []string `json:"missing,omitempty"`

	// snapshot: it was read from a file.
	snapshot bool
}

// kindOfSnapshot is the kind in the header of a snapshot.
const kindOfSnapshot = "Snapshot"

// Lister lists all objects of a kind, in all namespaces.
type Lister func(ctx context.Context, empty client.ObjectList) ([]client.Object, error)

// Gather looks at a cluster. What may not be listed is left out and named, but for what no plan can do
// without.
func Gather(ctx context.Context, list Lister, now time.Time) (*World, error) {
	w := &World{Header: render.HeaderOf(kindOfSnapshot), TakenAt: now.UTC().Truncate(time.Second)}
	for _, kind := range []struct {
		title  string
		list   client.ObjectList
		needed bool
		add    func(client.Object)
	}{
		{"Fleet", &v1alpha1.FleetList{}, false, into(&w.Fleets)},
		{"Datacenter", &v1alpha1.DatacenterList{}, true, into(&w.Datacenters)},
		{"ProvisioningProfile", &v1alpha1.ProvisioningProfileList{}, true, into(&w.Profiles)},
		{"Server", &v1alpha1.ServerList{}, true, into(&w.Servers)},
		{"ServerGroup", &v1alpha1.ServerGroupList{}, true, into(&w.Groups)},
		{"Policy", &v1alpha1.PolicyList{}, false, into(&w.Policies)},
		{"Hook", &v1alpha1.HookList{}, false, into(&w.Hooks)},
		{"Operation", &v1alpha1.OperationList{}, true, into(&w.Operations)},
	} {
		objects, err := list(ctx, kind.list)
		if apierrors.IsForbidden(err) && !kind.needed {
			w.Missing = append(w.Missing, kind.title)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing %ss: %w", kind.title, err)
		}
		for _, object := range objects {
			kind.add(object)
		}
	}
	w.Operations = worthKeeping(w.Operations)
	return w, nil
}

// into appends objects of one kind to a list.
func into[T client.Object](list *[]T) func(client.Object) {
	*list = []T{}
	return func(object client.Object) {
		if typed, ok := object.(T); ok {
			*list = append(*list, typed)
		}
	}
}

// state of what lives, for engine/plan.
func (w *World) state() plan.State {
	return plan.State{Servers: w.Servers, Groups: w.Groups, Profiles: w.Profiles, Datacenters: w.Datacenters}
}

// live objects, for gitsync/apply.
func (w *World) live() apply.Live {
	return liveOf(w.state(), w.Policies, w.Hooks)
}

func liveOf(state plan.State, policies []*v1alpha1.Policy, hooks []*v1alpha1.Hook) apply.Live {
	var live apply.Live
	for _, o := range state.Servers {
		live.Add(o)
	}
	for _, o := range state.Groups {
		live.Add(o)
	}
	for _, o := range state.Profiles {
		live.Add(o)
	}
	for _, o := range state.Datacenters {
		live.Add(o)
	}
	for _, o := range policies {
		live.Add(o)
	}
	for _, o := range hooks {
		live.Add(o)
	}
	return live
}

// hash over what reaches a server of a profile; false where a document of it comes from a Secret and
// nothing tells its content.
func (w *World) hash(p *v1alpha1.ProvisioningProfile) (string, bool) {
	documents, inline, whole := documentsOf(&p.Spec)
	switch {
	case whole:
		return profile.Hash(&p.Spec, documents), true
	case inline && p.Status.Hash != "":
		// Of a snapshot, from which the documents were taken out.
		return p.Status.Hash, true
	}
	return w.told(p)
}

// told is the hash that a group has already brought its servers to, of a profile that has not changed
// since; its Secrets are read by the controller alone.
func (w *World) told(p *v1alpha1.ProvisioningProfile) (string, bool) {
	same := false
	for _, live := range w.Profiles {
		same = same || live.Namespace == p.Namespace && live.Name == p.Name && equality.Semantic.DeepEqual(live.Spec, p.Spec)
	}
	if !same {
		return "", false
	}
	for _, group := range w.Groups {
		if group.Namespace == p.Namespace && group.Spec.ProvisioningProfileRef.Name == p.Name && current(group) {
			return group.Status.Revision.ProfileHash, true
		}
	}
	return "", false
}

// current tells whether a group's revision is what its profile says now.
func current(group *v1alpha1.ServerGroup) bool {
	status := &group.Status
	return status.Revision.Profile == group.Spec.ProvisioningProfileRef.Name && status.Revision.ProfileHash != "" &&
		status.ObservedGeneration == group.Generation && !outdated(status.Holds)
}

// outdated tells whether a group is held from taking up what its profile says now.
func outdated(holds []v1alpha1.Hold) bool {
	for i := range holds {
		switch holds[i].Reason {
		case v1alpha1.ReasonEdited, v1alpha1.ReasonCommitIncomplete, v1alpha1.ReasonProfileInvalid, v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretInvalid:
			return true
		}
	}
	return false
}

// documentsOf a profile; inline where none comes from a Secret, whole where all are here.
func documentsOf(spec *v1alpha1.ProvisioningProfileSpec) (documents profile.Documents, inline, whole bool) {
	inline, whole = true, true
	for _, each := range []struct {
		source *v1alpha1.DataSource
		into   *string
	}{{spec.UserData, &documents.UserData}, {spec.NetworkData, &documents.NetworkData}, {spec.MetaData, &documents.MetaData}} {
		switch {
		case each.source == nil:
		case each.source.SecretRef != nil:
			inline, whole = false, false
		case redacted(each.source.Inline):
			whole = false
		default:
			*each.into = each.source.Inline
		}
	}
	return documents, inline, whole
}
