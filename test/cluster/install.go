package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

const installTimeout = 30 * time.Second

// install applies what config/crd and, where it is there, config/admission
// hold, and returns when the kinds are served and the policies in force.
func (c *Cluster) install(root string) error {
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	var kinds []*unstructured.Unstructured
	for _, folder := range []string{"crd", "admission"} {
		objects, err := read(filepath.Join(root, "config", folder))
		if err != nil {
			return err
		}
		if err := c.Apply(ctx, objects...); err != nil {
			return fmt.Errorf("installing config/%s: %w", folder, err)
		}
		if folder == "crd" {
			kinds = objects
		}
		if folder == "admission" && len(objects) > 0 {
			if err := c.admissionInForce(ctx); err != nil {
				return err
			}
			return c.knownToAdmission(ctx, kinds)
		}
	}
	return nil
}

// knownToAdmission waits until admission policies can be asked about custom kinds: they
// learn of them from discovery, some time after the server has begun to serve them, and
// deny until then.
func (c *Cluster) knownToAdmission(ctx context.Context, crds []*unstructured.Unstructured) error {
	client, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	for _, crd := range crds {
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(crd.Object, "spec", "scope")
		probe := &unstructured.Unstructured{}
		probe.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: kind})
		probe.SetName("probe")
		resource := client.Resource(schema.GroupVersionResource{Group: group, Version: "v1alpha1", Resource: plural})
		var to dynamic.ResourceInterface = resource
		if scope == "Namespaced" {
			to = resource.Namespace("default")
		}
		err := poll(ctx, "admission policies to know of "+kind, func() (bool, error) {
			// Admission comes before validation, which such an object would not pass.
			_, err := to.Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err == nil || !strings.Contains(err.Error(), "not found"), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Apply puts objects in place as kubectl apply --server-side does, and waits for
// the custom kinds among them to be served.
func (c *Cluster) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	if len(objects) == 0 {
		return nil
	}
	client, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return err
	}
	groups, err := restmapper.GetAPIGroupResources(disco)
	if err != nil {
		return fmt.Errorf("asking for the kinds served: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for _, o := range objects {
		kind := o.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return err
		}
		var to dynamic.ResourceInterface = client.Resource(mapping.Resource)
		if mapping.Scope.Name() == "namespace" {
			to = client.Resource(mapping.Resource).Namespace(o.GetNamespace())
		}
		if _, err := to.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
			return fmt.Errorf("applying %s %s: %w", kind.Kind, o.GetName(), err)
		}
	}
	for _, o := range objects {
		if err := untilServed(ctx, client, disco, o); err != nil {
			return err
		}
	}
	return nil
}

// untilServed lists every version of a custom kind until that works.
// Discovery follows a little later, and whoever maps kinds by it must find them all.
func untilServed(ctx context.Context, client dynamic.Interface, disco discovery.DiscoveryInterface, crd *unstructured.Unstructured) error {
	if crd.GetKind() != "CustomResourceDefinition" {
		return nil
	}
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		if served, _ := version["served"].(bool); !served {
			continue
		}
		name, _ := version["name"].(string)
		gvr := schema.GroupVersionResource{Group: group, Version: name, Resource: plural}
		err := poll(ctx, gvr.String()+" to be served", func() (bool, error) {
			_, err := client.Resource(gvr).List(ctx, metav1.ListOptions{Limit: 1})
			if apierrors.IsNotFound(err) || apierrors.IsServiceUnavailable(err) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			listed, err := disco.ServerResourcesForGroupVersion(gvr.GroupVersion().String())
			if err != nil {
				return false, notYet(err)
			}
			return slices.ContainsFunc(listed.APIResources, func(r metav1.APIResource) bool { return r.Name == plural }), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// notYet passes over an error that says that something is not there.
func notYet(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// read returns the objects of every YAML file below dir but kustomizations; none when dir is absent.
func read(dir string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") || d.Name() == "kustomization.yaml" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		more, err := Decode(b)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		objects = append(objects, more...)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return objects, err
}

// Decode reads the objects of a YAML file with any number of documents.
func Decode(b []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(b), 4<<10)
	for {
		o := &unstructured.Unstructured{}
		switch err := d.Decode(&o.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case len(o.Object) > 0:
			objects = append(objects, o)
		}
	}
}
