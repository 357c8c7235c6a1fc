package controllers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/engine/rollout"
)

// errBehind: the watch that keeps the roster has not told of the group as the cache shows it.
var errBehind = errors.New("the roster is behind")

// gather reads everything that a decision on a group may know; nil where it is gone.
func (r *Groups) gather(ctx context.Context, key types.NamespacedName) (*groupPass, error) {
	group := &v1alpha1.ServerGroup{}
	err := r.client.Get(ctx, key, group)
	if apierrors.IsNotFound(err) {
		r.gone(key)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading ServerGroup %s: %w", key, err)
	}
	if group.DeletionTimestamp != nil {
		return nil, nil
	}
	if !r.roster.knows(group) {
		return nil, errBehind
	}
	group = r.groups.of(group)
	p := &groupPass{key: key, Snapshot: rollout.Snapshot{Now: r.clock.Now(), Group: group, FleetName: group.Labels[v1alpha1.LabelFleet]}}
	if p.Fleet, err = fleetOf(ctx, r.client, group); err != nil {
		return nil, err
	}
	if err := r.gatherProfile(ctx, p); err != nil {
		return nil, err
	}
	r.gatherServers(p)
	return p, r.gatherOperations(ctx, p)
}

// gatherServers takes the group's servers as the watches show them, or as this process wrote them since.
func (r *Groups) gatherServers(p *groupPass) {
	p.Servers, p.SharedWith = r.roster.members(p.Group)
	p.Conflicts = map[string][]string{}
	for i, server := range p.Servers {
		p.Servers[i] = r.servers.of(server)
		// Looking for peers of each server would cost more than all else. The Server's own reconciler
		// has done so; and whoever is about to touch the machine does it again.
		healthy := meta.FindStatusCondition(p.Servers[i].Status.Conditions, v1alpha1.ConditionHealthy)
		if healthy != nil && healthy.Reason == v1alpha1.ReasonIdentityConflict {
			p.Conflicts[server.Name] = []string{healthy.Message}
		}
	}
	fleet := p.FleetName
	if p.Fleet == nil {
		fleet = ""
	}
	p.Guarded = r.roster.guarded(p.key.Namespace, fleet)
}

// gatherOperations reads what is live on the group's servers, and what status.inFlight names.
func (r *Groups) gatherOperations(ctx context.Context, p *groupPass) error {
	p.Operations = map[string]*v1alpha1.Operation{}
	if _, err := r.gatherLive(ctx, p, client.MatchingFields{indexGroup: p.key.Name}, 0); err != nil {
		return err
	}
	// Made by hand are few, or many on other servers: then each server of the group is asked for, so that
	// a pass costs what the group has and not what the datacenter has.
	most := int64(len(p.Servers)) + 1
	found, err := r.gatherLive(ctx, p, client.MatchingFields{indexGroup: byHand}, most)
	if err != nil {
		return err
	}
	for i := 0; found == most && i < len(p.Servers); i++ {
		if _, err := r.gatherLive(ctx, p, client.MatchingFields{indexServer: p.Servers[i].Name}, 0); err != nil {
			return err
		}
	}
	for i := range p.Group.Status.InFlight {
		name := p.Group.Status.InFlight[i].Operation
		if p.Operations[name] != nil {
			continue
		}
		op := &v1alpha1.Operation{}
		if err := r.client.Get(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: name}, op); err == nil {
			p.Operations[name] = r.operations.of(op)
		} else if !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading Operation %s: %w", name, err)
		}
	}
	return nil
}

// gatherLive takes in live Operations, all of them or so many at most, and tells how many it found.
func (r *Groups) gatherLive(ctx context.Context, p *groupPass, which client.MatchingFields, most int64) (int64, error) {
	var list v1alpha1.OperationList
	if err := r.client.List(ctx, &list, client.InNamespace(p.key.Namespace), which, client.Limit(most), client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing live Operations: %w", err)
	}
	for i := range list.Items {
		op := r.operations.of(&list.Items[i])
		if by := op.Labels[v1alpha1.LabelGroup]; by == "" || by == p.key.Name {
			p.Operations[op.Name] = op
		}
	}
	return int64(len(list.Items)), nil
}

// documented is a profile with documents from Secrets, as they were read at a time.
type documented struct {
	uid        types.UID
	generation int64
	at         time.Time
	profile    *operation.Profile
}

// gatherProfile resolves the group's profile. What comes from Secrets, which no watch tells about, is read
// again after a while.
func (r *Groups) gatherProfile(ctx context.Context, p *groupPass) error {
	name := p.Group.Spec.ProvisioningProfileRef.Name
	key := types.NamespacedName{Namespace: p.key.Namespace, Name: name}
	var object v1alpha1.ProvisioningProfile
	err := r.client.Get(ctx, key, &object)
	if apierrors.IsNotFound(err) {
		p.Profile = rollout.Profile{Name: name, Problem: &v1alpha1.Hold{Source: "ProvisioningProfile/" + name, Reason: v1alpha1.ReasonProfileNotFound,
			Message:    fmt.Sprintf("spec.provisioningProfileRef.name: no ProvisioningProfile %s in namespace %s; create it, or name another", name, key.Namespace),
			ClearsWhen: "the ProvisioningProfile is created"}}
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading ProvisioningProfile %s: %w", key, err)
	}
	resolved := r.resolve(ctx, p, key, &object)
	p.Profile = rollout.Profile{Name: name, Hash: resolved.Hash, Problem: resolved.Problem,
		Inputs: rollout.Inputs(p.Group, &object.Spec), OSVersion: object.Spec.OSVersion}
	if p.FleetName != "" && object.Labels[v1alpha1.LabelFleet] == p.FleetName {
		// Without a number that can be read it is of no apply.
		p.Profile.Apply, _ = strconv.ParseInt(object.Annotations[v1alpha1.AnnotationApply], 10, 64)
	}
	return nil
}

func (r *Groups) resolve(ctx context.Context, p *groupPass, key types.NamespacedName, object *v1alpha1.ProvisioningProfile) *operation.Profile {
	if !fromSecrets(&object.Spec) {
		return resolveObject(ctx, r.sites, object, nil)
	}
	r.mu.Lock()
	known := r.secrets[key]
	r.mu.Unlock()
	if known.uid != object.UID || known.generation != object.Generation || p.Now.Sub(known.at).Abs() >= r.sites.every {
		known = documented{uid: object.UID, generation: object.Generation, at: p.Now, profile: resolveObject(ctx, r.sites, object, nil)}
		r.mu.Lock()
		r.secrets[key] = known
		r.mu.Unlock()
	}
	p.recheck = known.at.Add(r.sites.every)
	return known.profile
}

// fromSecrets tells whether any document comes from a Secret.
func fromSecrets(spec *v1alpha1.ProvisioningProfileSpec) bool {
	for _, source := range []*v1alpha1.DataSource{spec.UserData, spec.NetworkData, spec.MetaData} {
		if source != nil && source.SecretRef != nil {
			return true
		}
	}
	return false
}
