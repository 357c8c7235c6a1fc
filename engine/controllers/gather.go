package controllers

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/engine/profile"
)

// gather reads everything that a decision on an Operation may know; nil where it is gone.
func (r *Operations) gather(ctx context.Context, key types.NamespacedName) (*pass, error) {
	op := &v1alpha1.Operation{}
	if err := r.client.Get(ctx, key, op); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, r.missing(ctx, key)
		}
		return nil, fmt.Errorf("reading Operation %s: %w", key, err)
	}
	r.remember(key, op.UID)
	op = r.operations.of(op)
	p := &pass{key: key, Snapshot: operation.Snapshot{Now: r.clock.Now(), Process: r.process, Epoch: r.rebuild.leads(), Recheck: r.sites.every, Operation: op}}
	if err := r.gatherServer(ctx, p); err != nil {
		return nil, err
	}
	if op.Status.Phase.Terminal() {
		return p, nil
	}
	if err := r.gatherSite(ctx, p); err != nil {
		return nil, err
	}
	if err := r.gatherProfile(ctx, p); err != nil {
		return nil, err
	}
	if err := r.gatherRollout(ctx, p); err != nil {
		return nil, err
	}
	r.calls.tell(op.UID, r.process, &p.Snapshot)
	if err := r.gatherHooks(ctx, p); err != nil {
		return nil, err
	}
	if underway(op) || placed(op) {
		r.gate.Occupy(op, p.Site.Name)
	}
	return p, nil
}

func (r *Operations) gatherServer(ctx context.Context, p *pass) error {
	server := &v1alpha1.Server{}
	err := r.client.Get(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: p.Operation.Spec.ServerRef.Name}, server)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Server %s: %w", p.Operation.Spec.ServerRef.Name, err)
	}
	if err == nil {
		p.Server = r.servers.of(server)
	}
	p.SeenServer = r.firstSeen(p.key, p.Server)
	if p.Operation.Status.Phase.Terminal() {
		return nil
	}
	if err := r.seeClaim(ctx, p); err != nil || p.Server == nil {
		return err
	}
	p.Conflicts, err = conflicts(ctx, r.client, p.Server)
	return err
}

// seeClaim asks the API server for a Server whose copy in the cache does not show the claim that an
// intent presupposes. Where the cache of Servers is behind that of Operations, the outcome would else
// be written on the Operation alone, and the Server would never learn of it.
func (r *Operations) seeClaim(ctx context.Context, p *pass) error {
	if !underway(p.Operation) || claims(p.Operation, p.Server) {
		return nil
	}
	live := &v1alpha1.Server{}
	err := r.live.Get(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: p.Operation.Spec.ServerRef.Name}, live)
	if err == nil {
		p.Server = live
	}
	return client.IgnoreNotFound(err)
}

func claims(op *v1alpha1.Operation, server *v1alpha1.Server) bool {
	return server != nil && server.Status.ActiveOperation != nil && server.Status.ActiveOperation.UID == string(op.UID)
}

func (r *Operations) gatherSite(ctx context.Context, p *pass) error {
	resolve, name := r.sites.of, ""
	switch {
	case underway(p.Operation):
		resolve, name = r.sites.ofDispatched, p.Operation.Status.DecidedOn.Datacenter
	case p.Server != nil:
		name = datacenterOf(p.Server)
	}
	site, driver, dc, err := resolve(ctx, p.key.Namespace, name)
	if err != nil {
		return err
	}
	p.Site, p.driver = site, driver
	if dc != nil {
		p.limit = int(dc.Spec.Limits.ConcurrentOperations)
		p.datacenter.uid, p.datacenter.generation = dc.UID, dc.Generation
	}
	return nil
}

func (r *Operations) gatherProfile(ctx context.Context, p *pass) error {
	ref := p.Operation.Spec.ProvisioningProfileRef
	if ref == nil {
		return nil
	}
	resolved, err := resolveProfile(ctx, r.client, r.sites, p.key.Namespace, ref.Name, p.Server)
	p.Profile = resolved
	return err
}

// resolveProfile reads a profile with its documents and renders it for a server.
func resolveProfile(ctx context.Context, reader client.Reader, secrets *sites, namespace, name string, server *v1alpha1.Server) (*operation.Profile, error) {
	var object v1alpha1.ProvisioningProfile
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &object)
	if apierrors.IsNotFound(err) {
		return &operation.Profile{Name: name, Problem: &v1alpha1.Hold{Source: "ProvisioningProfile/" + name, Reason: v1alpha1.ReasonProfileNotFound,
			Message:    fmt.Sprintf("spec.provisioningProfileRef.name: no ProvisioningProfile %s in namespace %s; create it, or make an Operation with the right name", name, namespace),
			ClearsWhen: "the ProvisioningProfile is created"}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading ProvisioningProfile %s: %w", name, err)
	}
	return resolveObject(ctx, secrets, &object, server), nil
}

// resolveObject reads a profile's documents and renders it for a server, where there is one.
func resolveObject(ctx context.Context, secrets *sites, object *v1alpha1.ProvisioningProfile, server *v1alpha1.Server) *operation.Profile {
	resolved := &operation.Profile{Name: object.Name}
	documents, problem := readDocuments(ctx, secrets, object)
	if problem != nil {
		resolved.Problem = problem
		return resolved
	}
	resolved.Hash = profile.Hash(&object.Spec, documents)
	if server == nil {
		return resolved
	}
	image, err := profile.Render(&object.Spec, documents, server)
	if err != nil {
		resolved.Problem = &v1alpha1.Hold{Source: "ProvisioningProfile/" + object.Name, Reason: v1alpha1.ReasonProfileInvalid,
			Message: fmt.Sprintf("ProvisioningProfile %s: %s", object.Name, unquoted(&object.Spec, err)), ClearsWhen: "the profile is corrected"}
	}
	resolved.Image = image
	return resolved
}

// unquoted is an error's text, without a word of a document that comes from a Secret.
func unquoted(spec *v1alpha1.ProvisioningProfileSpec, err error) string {
	var failed *profile.Error
	if !errors.As(err, &failed) {
		return err.Error()
	}
	source := map[string]*v1alpha1.DataSource{"userData": spec.UserData, "networkData": spec.NetworkData, "metaData": spec.MetaData}[failed.Document]
	if source != nil && source.SecretRef != nil {
		return failed.Unquoted()
	}
	return err.Error()
}

// readDocuments reads the cloud-init documents, inline or from Secrets.
func readDocuments(ctx context.Context, secrets *sites, object *v1alpha1.ProvisioningProfile) (profile.Documents, *v1alpha1.Hold) {
	var documents profile.Documents
	for _, document := range []struct {
		field  string
		source *v1alpha1.DataSource
		into   *string
	}{
		{"userData", object.Spec.UserData, &documents.UserData},
		{"networkData", object.Spec.NetworkData, &documents.NetworkData},
		{"metaData", object.Spec.MetaData, &documents.MetaData},
	} {
		switch {
		case document.source == nil:
		case document.source.SecretRef == nil:
			*document.into = document.source.Inline
		default:
			ref := document.source.SecretRef
			data, _, err := secrets.secret(ctx, object.Namespace, ref.Name, ref.Key)
			if err != nil {
				reason := v1alpha1.ReasonSecretInvalid
				if apierrors.IsNotFound(err) {
					reason = v1alpha1.ReasonSecretNotFound
				}
				return documents, &v1alpha1.Hold{Source: "ProvisioningProfile/" + object.Name, Reason: reason,
					Message:    fmt.Sprintf("ProvisioningProfile %s, spec.%s.secretRef: Secret %s in namespace %s: %v", object.Name, document.field, ref.Name, object.Namespace, err),
					ClearsWhen: "the Secret is there with that key (looked at again every 30s)"}
			}
			*document.into = string(data[0])
		}
	}
	return documents, nil
}
