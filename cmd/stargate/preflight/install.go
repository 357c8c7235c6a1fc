package preflight

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const admissionGroup = "admissionregistration.k8s.io"

// admissionServed tells whether the API server can stamp who asked, without a webhook.
func admissionServed(_ context.Context, in *Inputs, r reporter) {
	const name = "mutating admission policies"
	groups, err := in.Discovery.ServerGroups()
	if err != nil {
		r.warn(name, err.Error(), "try again")
		return
	}
	for _, group := range groups.Groups {
		if group.Name != admissionGroup {
			continue
		}
		for _, version := range group.Versions {
			resources, err := in.Discovery.ServerResourcesForGroupVersion(version.GroupVersion)
			if err != nil {
				continue
			}
			for _, resource := range resources.APIResources {
				if resource.Kind == "MutatingAdmissionPolicy" {
					r.ok(name, "served as "+version.GroupVersion)
					return
				}
			}
		}
	}
	r.warn(name, "not served: who asked for an Operation is not stamped, and policies that ask for the requester or for approvals hold",
		"use a Kubernetes that serves MutatingAdmissionPolicy, or turn its feature gate on")
}

// installed compares what is there with what this binary would install.
func installed(ctx context.Context, in *Inputs, r reporter) {
	for _, wanted := range in.CRDs {
		checkCRD(ctx, in, r, wanted)
	}
	checkPresent(ctx, in, r, in.RBAC, "roles", "rbac",
		"a controller in the cluster, and people who are no administrators, may lack what they need")
}

// checkPresent looks for the objects of one part. Without them less is guarded, but nothing stands
// still.
func checkPresent(ctx context.Context, in *Inputs, r reporter, wanted []*unstructured.Unstructured, name, part, lost string) {
	var missing []string
	for _, each := range wanted {
		found := &unstructured.Unstructured{}
		found.SetGroupVersionKind(each.GroupVersionKind())
		err := in.Reader.Get(ctx, client.ObjectKeyFromObject(each), found)
		switch {
		case err == nil:
		case apierrors.IsForbidden(err):
			r.skipped(name, "you may not look at "+each.GetKind(), "ask somebody who may")
			return
		case apierrors.IsNotFound(err):
			missing = append(missing, each.GetKind()+" "+each.GetName())
		default:
			r.warn(name, err.Error(), "try again")
			return
		}
	}
	if len(missing) == 0 {
		r.ok(name, fmt.Sprintf("all %d objects present", len(wanted)))
		return
	}
	r.warn(name, fmt.Sprintf("%d of %d objects are missing (%s): %s", len(missing), len(wanted), few(missing), lost),
		in.Command+" install --apply --only "+part)
}

// few names the first of many.
func few(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:shown], ", ") + ", …"
}

func checkCRD(ctx context.Context, in *Inputs, r reporter, wanted *unstructured.Unstructured) {
	name := "CRD " + wanted.GetName()
	mend := in.Command + " install --apply --only crds"
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(wanted.GroupVersionKind())
	err := in.Reader.Get(ctx, client.ObjectKeyFromObject(wanted), found)
	switch {
	case apierrors.IsForbidden(err):
		r.skipped(name, "you may not look", "ask somebody who may")
		return
	case apierrors.IsNotFound(err):
		r.fail(name, "missing", mend)
		return
	case err != nil:
		r.fail(name, err.Error(), "try again")
		return
	}
	if !Established(found) {
		r.fail(name, "installed and not served (condition Established is not True)", "kubectl describe crd "+wanted.GetName())
		return
	}
	ours, errOurs := SchemaHash(wanted)
	theirs, errTheirs := SchemaHash(found)
	switch {
	case errOurs != nil || errTheirs != nil:
		r.fail(name, "its schema cannot be read", mend)
	case ours != theirs:
		r.fail(name, fmt.Sprintf("is of another release (schema %s, this binary has %s)", theirs, ours), mend)
	default:
		r.ok(name, "current")
	}
}

// Established tells whether a CRD is served.
func Established(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, each := range conditions {
		condition, ok := each.(map[string]any)
		if ok && condition["type"] == string(apiextensionsv1.Established) {
			return condition["status"] == "True"
		}
	}
	return false
}

// SchemaHash is over what a CRD serves: versions, schemas, columns. What the API server adds by
// itself is not in it, so that an installed CRD and its manifest have the same.
func SchemaHash(crd *unstructured.Unstructured) (string, error) {
	var typed apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(crd.Object, &typed); err != nil {
		return "", fmt.Errorf("reading CRD %s: %w", crd.GetName(), err)
	}
	text, err := json.Marshal(struct {
		Versions   []apiextensionsv1.CustomResourceDefinitionVersion
		ShortNames []string
		Categories []string
	}{typed.Spec.Versions, typed.Spec.Names.ShortNames, typed.Spec.Names.Categories})
	if err != nil {
		return "", fmt.Errorf("reading CRD %s: %w", crd.GetName(), err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6]), nil
}
