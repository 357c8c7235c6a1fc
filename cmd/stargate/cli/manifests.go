package cli

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/config"
)

// The parts of an installation, in the order in which they are applied.
const (
	partCRDs      = "crds"
	partRBAC      = "rbac"
	partAdmission = "admission"
)

var allParts = []string{partCRDs, partRBAC, partAdmission}

// manifests gives what this binary installs, part by part.
func manifests() (map[string][]*unstructured.Unstructured, error) {
	parts := map[string][]*unstructured.Unstructured{}
	for part, read := range map[string]func() ([]*unstructured.Unstructured, error){
		partCRDs: config.CRDs, partRBAC: config.RBAC, partAdmission: config.Admission,
	} {
		objects, err := read()
		if err != nil {
			return nil, fmt.Errorf("reading what this binary installs: %w", err)
		}
		parts[part] = objects
	}
	return parts, nil
}
