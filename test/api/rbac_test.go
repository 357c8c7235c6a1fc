package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"stargate.io/stargate/config"
	"stargate.io/stargate/test/cluster"
)

func clientset(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func installRBAC(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	objects, err := config.RBAC()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}

// may asks the API server whether a user may do "verb resource[/subresource][.group]" in a namespace;
// "" is all of them.
func may(t *testing.T, c *cluster.Cluster, user, ask, namespace string) bool {
	t.Helper()
	verb, rest, _ := strings.Cut(ask, " ")
	rest, group, _ := strings.Cut(rest, ".")
	name, subresource, _ := strings.Cut(rest, "/")
	resource, name, _ := strings.Cut(name, ":")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Name: name, Subresource: subresource, Namespace: namespace}}}
	answer, err := clientset(t, c.Config).AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status.Allowed
}

const controller = "system:serviceaccount:" + config.SystemNamespace + ":" + config.ControllerAccount

// TestControllerMay do what it does, and nothing else that would be worth having.
func TestControllerMay(t *testing.T) {
	c := cluster.Shared(t)
	installRBAC(t, c)
	ns := c.Namespace(t)
	for _, kind := range []string{"servers", "operations", "datacenters"} {
		for _, verb := range []string{"get", "list", "watch", "update"} {
			expect(t, c, controller, verb+" "+kind+".stargate.io", "", true)
		}
		expect(t, c, controller, "update "+kind+"/status.stargate.io", "", true)
		// Operations are made by rollouts, the others come from fleets.
		expect(t, c, controller, "create "+kind+".stargate.io", "", true)
	}
	for _, kind := range []string{"datacenters", "hooks", "policies", "provisioningprofiles", "servergroups", "servers"} {
		for _, verb := range []string{"get", "list", "watch", "create", "patch", "delete"} {
			expect(t, c, controller, verb+" "+kind+".stargate.io", "", true)
		}
	}
	expect(t, c, controller, "update fleets/status.stargate.io", "", true)
	for _, ask := range []string{"list provisioningprofiles.stargate.io", "watch servergroups.stargate.io", "update servergroups/status.stargate.io", "get fleets.stargate.io", "delete operations.stargate.io", "list namespaces", "create events"} {
		expect(t, c, controller, ask, "", true)
	}
	// Which node a Server is; what is on it is not its business, and it changes none.
	for verb, want := range map[string]bool{"list": true, "watch": true, "patch": false, "update": false, "delete": false, "create": false} {
		expect(t, c, controller, verb+" nodes", "", want)
	}
	// Admission asks for the verb; a rollout repaves and does nothing else.
	for verb, want := range map[string]bool{"repave": true, "reboot": false, "power": false, "approve": false, "override": false} {
		expect(t, c, controller, verb+" servers.stargate.io", "", want)
	}
	expect(t, c, controller, "approve fleets.stargate.io", "", false)
	for _, kind := range []string{"mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "validatingadmissionpolicies", "validatingadmissionpolicybindings"} {
		for verb, want := range map[string]bool{"list": true, "watch": true, "get": false, "create": false, "update": false, "patch": false, "delete": false} {
			expect(t, c, controller, verb+" "+kind+".admissionregistration.k8s.io", "", want)
		}
	}
	for _, ask := range []string{"create leases.coordination.k8s.io", "update leases:stargate.coordination.k8s.io", "get leases:stargate.coordination.k8s.io"} {
		expect(t, c, controller, ask, config.SystemNamespace, true)
		expect(t, c, controller, ask, ns, false)
	}
	for _, ask := range []string{
		"get secrets", "list secrets", "watch secrets", "get pods", "create pods", "get configmaps", "update fleets.stargate.io", "patch fleets.stargate.io",
		"update provisioningprofiles.stargate.io", "create serviceaccounts/token", "impersonate users", "bind clusterroles.rbac.authorization.k8s.io",
		"delete namespaces", "create namespaces", "get nodes", "update customresourcedefinitions.apiextensions.k8s.io", "deletecollection operations.stargate.io", "deletecollection servers.stargate.io",
	} {
		expect(t, c, controller, ask, "", false)
		expect(t, c, controller, ask, ns, false)
	}
	expect(t, c, controller, "update leases:other.coordination.k8s.io", config.SystemNamespace, false)
	expect(t, c, controller, "get secrets", config.SystemNamespace, true)
	for _, ask := range []string{"list secrets", "watch secrets", "create secrets", "patch secrets", "get configmaps"} {
		expect(t, c, controller, ask, config.SystemNamespace, false)
	}
}

func expect(t *testing.T, c *cluster.Cluster, user, ask, namespace string, want bool) {
	t.Helper()
	if got := may(t, c, user, ask, namespace); got != want {
		t.Errorf("%s may %s in %q: %t", user, ask, namespace, got)
	}
}

// TestDatacenterAccess: a Secret is read by name, and only where a datacenter is.
func TestDatacenterAccess(t *testing.T) {
	c := cluster.Shared(t)
	installRBAC(t, c)
	datacenter, elsewhere := c.Namespace(t), c.Namespace(t)
	if err := c.Apply(t.Context(), config.DatacenterAccess(datacenter)); err != nil {
		t.Fatal(err)
	}
	for _, ns := range []string{datacenter, elsewhere} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "token"}}
		if _, err := clientset(t, c.Config).CoreV1().Secrets(ns).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	account := clientset(t, c.As(controller, "system:serviceaccounts", "system:authenticated"))
	eventually(t, func() bool {
		_, err := account.CoreV1().Secrets(datacenter).Get(t.Context(), "token", metav1.GetOptions{})
		return err == nil
	})
	if _, err := account.CoreV1().Secrets(elsewhere).Get(t.Context(), "token", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a Secret elsewhere: %v", err)
	}
	for _, ns := range []string{datacenter, elsewhere, ""} {
		if _, err := account.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("all Secrets of %q: %v", ns, err)
		}
	}
}

// eventually polls for what a controller of Kubernetes does a moment later.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come to pass within a minute")
		case <-time.After(20 * time.Millisecond): // the pace of the polling
		}
	}
}

// TestPeopleMay: the roles that Kubernetes ships know the namespaced kinds; those of the whole cluster
// are for whoever is bound to them by name.
func TestPeopleMay(t *testing.T) {
	c := cluster.Shared(t)
	installRBAC(t, c)
	ns := c.Namespace(t)
	for user, role := range map[string]string{"victor": "view", "edith": "edit", "adam": "admin", "fay": "stargate-fleet-admin", "flo": "stargate-fleet-view",
		"rob": "stargate-operator-reboot", "rita": "stargate-operator-repave", "april": "stargate-approver", "oscar": "stargate-override"} {
		binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}}
		if _, err := clientset(t, c.Config).RbacV1().RoleBindings(ns).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool {
		return may(t, c, "adam", "create datacenters.stargate.io", ns) && may(t, c, "victor", "list servers.stargate.io", ns)
	})
	all := []string{"victor", "edith", "adam", "rob", "rita", "april", "oscar"}
	everybody := strings.Join(all, " ")
	for ask, who := range map[string]string{
		"list servers.stargate.io": everybody, "watch operations.stargate.io": everybody, "get servergroups.stargate.io": everybody,
		"get datacenters.stargate.io": everybody, "get provisioningprofiles.stargate.io": everybody,
		"create operations.stargate.io": "edith adam rob rita", "patch operations.stargate.io": "edith adam rob rita april oscar", "delete operations.stargate.io": "edith adam", "update operations.stargate.io": "edith adam",
		"repave servers.stargate.io": "edith adam rita", "reboot servers.stargate.io": "edith adam rob rita", "power servers.stargate.io": "edith adam rob rita",
		"approve servers.stargate.io": "adam april", "override servers.stargate.io": "oscar", "patch servergroups.stargate.io": "edith adam", "patch servers.stargate.io": "edith adam", "delete servergroups.stargate.io": "edith adam", "update provisioningprofiles.stargate.io": "edith adam",
		"create datacenters.stargate.io": "adam", "delete datacenters.stargate.io": "adam",
		"update operations/status.stargate.io": "", "update servers/status.stargate.io": "", "get policies.stargate.io": "", "create hooks.stargate.io": "", "patch fleets.stargate.io": "",
	} {
		for _, user := range all {
			expect(t, c, user, ask, ns, strings.Contains(who, user))
			expect(t, c, user, ask, "", false)
		}
	}
	expect(t, c, "fay", "create policies.stargate.io", ns, true)
	expect(t, c, "fay", "approve fleets.stargate.io", ns, true)
	expect(t, c, "flo", "approve fleets.stargate.io", ns, false)
	expect(t, c, "flo", "list fleets.stargate.io", ns, true)
	expect(t, c, "flo", "create fleets.stargate.io", ns, false)
}
