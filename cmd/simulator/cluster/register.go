package cluster

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// register puts the datacenter into the cluster, as `kubectl apply --server-side` would: what people add to it stays.
func (c Config) register(ctx context.Context) error {
	direct, err := c.client()
	if err != nil {
		return err
	}
	for _, object := range c.objects() {
		err := direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldManager), client.ForceOwnership)
		switch {
		case meta.IsNoMatchError(err):
			return fmt.Errorf("the cluster has no kind %s: install Stargate's kinds first (make install-crds, or stargate install --apply --only crds,admission): %w",
				object.GetKind(), err)
		case err != nil:
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// objects that make the datacenter, in the order in which they need each other.
func (c Config) objects() []*unstructured.Unstructured {
	of := func(apiVersion, kind, namespace, name string, fields map[string]any) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
		object.SetNamespace(namespace)
		object.SetName(name)
		for field, value := range fields {
			object.Object[field] = value
		}
		return object
	}
	spec := map[string]any{"driver": string(v1alpha1.DriverSimulator), "endpoint": c.Endpoint}
	objects := []*unstructured.Unstructured{of("v1", "Namespace", "", c.Namespace, nil)}
	if c.Token != "" {
		credentials := c.Datacenter + "-credentials"
		spec["credentialsRef"] = map[string]any{"name": credentials}
		objects = append(objects, of("v1", "Secret", c.Namespace, credentials, map[string]any{"stringData": map[string]any{"token": c.Token}}))
	}
	return append(objects, of(v1alpha1.GroupVersion.String(), "Datacenter", c.Namespace, c.Datacenter, map[string]any{"spec": spec}))
}
