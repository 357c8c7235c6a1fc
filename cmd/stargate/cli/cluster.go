package cli

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine"
)

const (
	// pageSize of every list.
	pageSize = 500
	// fieldManager under which this command line writes.
	fieldManager = "stargate-cli"
)

// cluster is the API server, and the namespace that is meant.
type cluster struct {
	client.WithWatch
	namespace string
	// given: the namespace was named by a flag, not taken from the kubeconfig.
	given bool
}

// connect reads the kubeconfig. Nothing is sent yet.
func (a *App) connect() (*cluster, error) {
	config, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	namespace, _, err := a.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	connection, err := client.NewWithWatch(config, client.Options{Scheme: engine.Scheme(), Mapper: knownKinds()})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return &cluster{WithWatch: connection, namespace: namespace, given: a.flags.Namespace != nil && *a.flags.Namespace != ""}, nil
}

// discovery asks what the API server serves, now: the cached discovery of kubectl may be six hours
// old.
func (a *App) discovery() (*discovery.DiscoveryClient, error) {
	config, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	asked, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return asked, nil
}

// knownKinds spares every command the discovery of all that the server has: what is read and
// written here is known.
func knownKinds() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	add := func(group, version, kind string, scope meta.RESTScope) {
		mapper.Add(schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, scope)
	}
	for _, each := range kinds() {
		scope := meta.RESTScopeNamespace
		if each.cluster {
			scope = meta.RESTScopeRoot
		}
		add(v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, each.title, scope)
	}
	add("", "v1", "Secret", meta.RESTScopeNamespace)
	add("", "v1", "Namespace", meta.RESTScopeRoot)
	// What an installation holds is looked for by `check`.
	add("", "v1", "ServiceAccount", meta.RESTScopeNamespace)
	add("apiextensions.k8s.io", "v1", "CustomResourceDefinition", meta.RESTScopeRoot)
	for kind, scope := range map[string]meta.RESTScope{
		"ClusterRole": meta.RESTScopeRoot, "ClusterRoleBinding": meta.RESTScopeRoot,
		"Role": meta.RESTScopeNamespace, "RoleBinding": meta.RESTScopeNamespace,
	} {
		add("rbac.authorization.k8s.io", "v1", kind, scope)
	}
	for _, kind := range []string{"Mutating", "Validating"} {
		add("admissionregistration.k8s.io", "v1", kind+"AdmissionPolicy", meta.RESTScopeRoot)
		add("admissionregistration.k8s.io", "v1", kind+"AdmissionPolicyBinding", meta.RESTScopeRoot)
	}
	add("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", meta.RESTScopeRoot)
	add("coordination.k8s.io", "v1", "Lease", meta.RESTScopeNamespace)
	add("authorization.k8s.io", "v1", "SelfSubjectAccessReview", meta.RESTScopeRoot)
	add("authentication.k8s.io", "v1", "SelfSubjectReview", meta.RESTScopeRoot)
	return mapper
}

// all reads every object of a kind, page by page, and shows each page to visit. Empty namespace
// means all of them. When the server forgets where a list was, it begins anew.
func (c *cluster) all(ctx context.Context, empty client.ObjectList, namespace, selector string) ([]client.Object, error) {
	var objects []client.Object
	token := ""
	for {
		// A list that is decoded into twice would share its items with what was kept of it.
		page, ok := empty.DeepCopyObject().(client.ObjectList)
		if !ok {
			return nil, fmt.Errorf("listing %T: not a list", empty)
		}
		options := &client.ListOptions{Namespace: namespace, Limit: pageSize, Continue: token, Raw: &metav1.ListOptions{LabelSelector: selector}}
		err := c.List(ctx, page, options)
		if apierrors.IsResourceExpired(err) && token != "" {
			objects, token = nil, ""
			continue
		}
		if err != nil {
			return nil, err
		}
		err = meta.EachListItem(page, func(item runtime.Object) error {
			if object, ok := item.(client.Object); ok {
				object.SetManagedFields(nil)
				objects = append(objects, object)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading a list: %w", err)
		}
		if token = page.GetContinue(); token == "" {
			return objects, nil
		}
	}
}

// read gets one object of the namespace that is meant. Where there is none, the error says which
// names are near.
func (c *cluster) read(ctx context.Context, k kind, name string) (client.Object, error) {
	object := k.object()
	err := c.Get(ctx, types.NamespacedName{Namespace: c.namespace, Name: name}, object)
	if err == nil {
		object.SetManagedFields(nil)
		return object, nil
	}
	if !apierrors.IsNotFound(err) || noSuchKind(err) {
		return nil, err
	}
	return nil, fmt.Errorf("there is no %s %s%s%s", k.title, name, k.in(c.namespace), c.nearby(ctx, k, name))
}

// nearby helps whoever mistyped a name or forgot the namespace.
func (c *cluster) nearby(ctx context.Context, k kind, name string) string {
	page := k.list()
	if err := c.List(ctx, page, client.InNamespace(c.namespace), client.Limit(pageSize)); err != nil {
		return ""
	}
	var names []string
	_ = meta.EachListItem(page, func(item runtime.Object) error {
		if object, ok := item.(client.Object); ok {
			names = append(names, object.GetName())
		}
		return nil
	})
	if near := nearest(name, names); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	if len(names) == 0 && !c.given && !k.cluster {
		return ", nor any other; say which namespace with -n"
	}
	return ""
}
