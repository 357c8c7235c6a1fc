// Package config holds the manifests that Stargate is installed with, so that the binary can install
// itself: the CRDs that are generated from api/, the admission policies, the RBAC and the samples.
//
// In: nothing but the files beside it. Out: their objects, in the order in which they are applied. It
// never talks to a cluster.
package config

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// SystemNamespace is where the controller runs and keeps its Lease, when installed from here.
const SystemNamespace = "stargate-system"

// ControllerAccount is the ServiceAccount that the controller runs as.
const ControllerAccount = "stargate-controller"

// datacenterRole is the ClusterRole that DatacenterAccess binds.
const datacenterRole = "stargate-datacenter"

// Files are the manifests as they are in the repository, for example "samples/datacenters.yaml".
//
//go:embed crd/bases/*.yaml admission/*.yaml rbac/*.yaml samples/*.yaml
var Files embed.FS

// Install gives everything that a cluster needs before the controller runs, in the order in which it
// is applied: kinds first, then who may do what, then the admission policies, which speak of both.
func Install() ([]*unstructured.Unstructured, error) {
	return objects("crd/bases", "rbac", "admission")
}

// CRDs gives the kinds.
func CRDs() ([]*unstructured.Unstructured, error) { return objects("crd/bases") }

// Admission gives the admission policies and their bindings. A cluster before Kubernetes 1.36 does not
// know the mutating ones.
func Admission() ([]*unstructured.Unstructured, error) { return objects("admission") }

// RBAC gives the controller's namespace, account and roles, and the roles of people.
func RBAC() ([]*unstructured.Unstructured, error) { return objects("rbac") }

// DatacenterAccess lets the controller read the Secrets of one datacenter's namespace. Nothing else
// gives it a Secret, so every namespace whose objects name one needs it.
func DatacenterAccess(namespace string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
		"metadata": map[string]any{
			"name": datacenterRole, "namespace": namespace,
			"labels": map[string]any{"app.kubernetes.io/name": "stargate"},
		},
		"roleRef": map[string]any{
			"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": datacenterRole,
		},
		"subjects": []any{map[string]any{
			"kind": "ServiceAccount", "name": ControllerAccount, "namespace": SystemNamespace,
		}},
	}}
}

// objects of every file in the folders: folders as given, files by name, documents as they stand.
func objects(folders ...string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, folder := range folders {
		entries, err := fs.ReadDir(Files, folder)
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		}
		for _, entry := range entries {
			path := folder + "/" + entry.Name()
			some, err := decode(path)
			if err != nil {
				return nil, fmt.Errorf("reading manifest %s: %w", path, err)
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

func decode(path string) ([]*unstructured.Unstructured, error) {
	text, err := Files.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4<<10)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case len(object.Object) > 0:
			all = append(all, object)
		}
	}
}
