package preflight

import (
	"context"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// need is one resource with the verbs that are needed on it.
type need struct {
	group, resource string
	verbs           []string
	// lost says what does not work without them.
	lost string
	// optional: without them something does not work, but nothing is broken.
	optional bool
	cluster  bool
}

func needsToInstall() []need {
	verbs := []string{"get", "create", "patch"}
	return []need{
		{group: "apiextensions.k8s.io", resource: "customresourcedefinitions", verbs: verbs, lost: "the kinds cannot be installed", cluster: true},
		{group: "", resource: "namespaces", verbs: verbs, lost: "the namespace of the controller cannot be made", cluster: true},
		{group: "", resource: "serviceaccounts", verbs: verbs, lost: "the controller's account cannot be made"},
		{group: "rbac.authorization.k8s.io", resource: "clusterroles", verbs: append([]string{"escalate"}, verbs...), lost: "the controller's role cannot be made", cluster: true},
		{group: "rbac.authorization.k8s.io", resource: "clusterrolebindings", verbs: append([]string{"bind"}, verbs...), lost: "the controller's role cannot be bound", cluster: true},
		{group: admissionGroup, resource: "validatingadmissionpolicies", verbs: verbs, lost: "admission policies cannot be installed", cluster: true},
		{group: admissionGroup, resource: "mutatingadmissionpolicies", verbs: verbs, lost: "who asked for an Operation is not stamped", optional: true, cluster: true},
	}
}

func needsToUse() []need {
	group := v1alpha1.GroupVersion.Group
	look := []string{"get", "list", "watch"}
	return []need{
		{group: group, resource: "operations", verbs: look, lost: "get, watch and --wait do not work"},
		{group: group, resource: "servers", verbs: look, lost: "get, watch and every verb on a server do not work"},
		{group: group, resource: "datacenters", verbs: look, lost: "gates cannot be shown before an Operation"},
		{group: group, resource: "provisioningprofiles", verbs: look, lost: "repave does not work"},
		{group: group, resource: "servergroups", verbs: look, lost: "rollout, tree and status do not work"},
		{group: group, resource: "fleets", verbs: look, lost: "fleet, tree fleet and rollout status --fleet do not work", optional: true, cluster: true},
		{group: group, resource: "operations", verbs: []string{"create"}, lost: "you cannot repave, reboot, inspect or change power", optional: true},
		{group: group, resource: "servers", verbs: []string{"repave", "reboot", "power"}, lost: "admission refuses Operations of yours that do it", optional: true},
		{group: group, resource: "servers", verbs: []string{"approve", "override"}, lost: "admission refuses it of you", optional: true},
		{group: group, resource: "operations", verbs: []string{"patch"}, lost: "you cannot cancel, resolve or approve", optional: true},
		{group: group, resource: "servers", verbs: []string{"patch"}, lost: "you cannot release or pause servers", optional: true},
		{group: group, resource: "datacenters", verbs: []string{"patch"}, lost: "you cannot pause datacenters", optional: true},
		{group: group, resource: "servergroups", verbs: []string{"patch"}, lost: "you cannot pause, resume or approve rollouts", optional: true},
		{group: group, resource: "fleets", verbs: []string{"patch"}, lost: "you cannot reconcile, suspend, resume or approve fleets", optional: true, cluster: true},
		{group: group, resource: "fleets", verbs: []string{"approve"}, lost: "admission refuses it of you", optional: true, cluster: true},
	}
}

func mayInstall(ctx context.Context, in *Inputs, r reporter) { review(ctx, in, r, needsToInstall()) }
func mayUse(ctx context.Context, in *Inputs, r reporter)     { review(ctx, in, r, needsToUse()) }

// review asks the API server for each verb, as the one who runs this.
func review(ctx context.Context, in *Inputs, r reporter, needs []need) {
	for _, need := range needs {
		name := strings.Join(need.verbs, ", ") + " " + need.resource
		missing, err := missingVerbs(ctx, in, need)
		if err != nil {
			r.warn(name, err.Error(), "try again")
			continue
		}
		if len(missing) == 0 {
			r.ok(name, "allowed")
			continue
		}
		message := "you may not " + strings.Join(missing, ", ") + ": " + need.lost
		mend := "have a role bound to you that allows " + strings.Join(missing, ", ") + " on " + strings.TrimSuffix(need.resource+"."+need.group, ".")
		if need.optional {
			r.warn(name, message, mend)
		} else {
			r.fail(name, message, mend)
		}
	}
}

func missingVerbs(ctx context.Context, in *Inputs, need need) ([]string, error) {
	var missing []string
	for _, verb := range need.verbs {
		asked := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: need.group, Resource: need.resource, Verb: verb, Namespace: in.Namespace},
		}}
		if need.cluster {
			asked.Spec.ResourceAttributes.Namespace = ""
		}
		if err := in.Writer.Create(ctx, asked); err != nil {
			return nil, err
		}
		if !asked.Status.Allowed {
			missing = append(missing, verb)
		}
	}
	// Who may create a role's verbs need not be allowed to escalate: having them all is enough.
	return slices.DeleteFunc(missing, func(verb string) bool {
		return (verb == "escalate" || verb == "bind") && len(missing) == 1
	}), nil
}
