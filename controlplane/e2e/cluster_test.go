package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func namespace(t *testing.T, c kubernetes.Interface) string {
	t.Helper()
	ns, err := c.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func configMap(t *testing.T, c kubernetes.Interface, ns, name string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	t.Helper()
	cm, err := c.CoreV1().ConfigMaps(ns).Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return cm
}

// gone is an error until get says NotFound.
func gone[T any](_ T, err error) error {
	if err == nil {
		return errors.New("it is there")
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func TestSaysWhichKubernetesItIs(t *testing.T) {
	v, err := shared.client(t).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`k8s.io/kubernetes (v\S+)`).FindStringSubmatch(mustRead(t, "../go.mod"))[1]
	if v.GitVersion != want {
		t.Errorf("got %s, want %s as in go.mod", v.GitVersion, want)
	}
}

func TestRBACIsEnforced(t *testing.T) {
	admin := shared.client(t)
	ns := namespace(t, admin)
	config := shared.config(t)
	config.Impersonate = rest.ImpersonationConfig{UserName: "jane"}
	jane := clientFor(t, config)
	if _, err := jane.CoreV1().ConfigMaps(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("before the grant: got %v, want Forbidden", err)
	}
	_, err := admin.RbacV1().RoleBindings(ns).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "jane"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "jane"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// view is filled by aggregation, so this also shows that its controller works.
	eventually(t, func(ctx context.Context) error {
		_, err := jane.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{})
		return err
	})
	if _, err := jane.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("secrets: got %v, want Forbidden", err)
	}
}

func TestWithoutCredentials(t *testing.T) {
	config := rest.AnonymousClientConfig(shared.config(t))
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/livez":   http.StatusOK,
		"/version": http.StatusOK,
		"/api/v1/namespaces/kube-public/configmaps/cluster-info":                       http.StatusOK,
		"/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication": http.StatusUnauthorized,
		"/apis":           http.StatusUnauthorized,
		"/metrics":        http.StatusUnauthorized,
		"/debug/pprof/":   http.StatusUnauthorized,
		"/api/v1/secrets": http.StatusUnauthorized,
	} {
		resp, err := client.Get(shared.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
	// Profiling is off, also for those who may do everything.
	if err := shared.client(t).CoreV1().RESTClient().Get().AbsPath("/debug/pprof/heap").Do(t.Context()).Error(); !apierrors.IsNotFound(err) {
		t.Errorf("profiling: got %v, want NotFound", err)
	}
}

func TestNamespaceDeletionFinishes(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	configMap(t, c, ns, "a")
	if err := c.CoreV1().Namespaces().Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		return gone(c.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{}))
	})
}

func TestGarbageCollection(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	owner := configMap(t, c, ns, "owner")
	configMap(t, c, ns, "owned", metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID})
	if err := c.CoreV1().ConfigMaps(ns).Delete(t.Context(), "owner", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		return gone(c.CoreV1().ConfigMaps(ns).Get(ctx, "owned", metav1.GetOptions{}))
	})
}

func TestServiceAccountToken(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	var token *authenticationv1.TokenRequest
	eventually(t, func(ctx context.Context) (err error) {
		// The account "default" is made by its controller.
		token, err = c.CoreV1().ServiceAccounts(ns).CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		return err
	})
	config := rest.AnonymousClientConfig(shared.config(t))
	config.BearerToken = token.Status.Token
	me, err := clientFor(t, config).AuthenticationV1().SelfSubjectReviews().Create(t.Context(),
		&authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := me.Status.UserInfo.Username, "system:serviceaccount:"+ns+":default"; got != want {
		t.Errorf("who am I: got %s, want %s", got, want)
	}
	eventually(t, func(ctx context.Context) error {
		cm, err := c.CoreV1().ConfigMaps(ns).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		if err == nil && !strings.Contains(cm.Data["ca.crt"], "BEGIN CERTIFICATE") {
			err = fmt.Errorf("no certificate in %v", cm.Data)
		}
		return err
	})
}

func TestLegacyTokenSecretIsFilled(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	eventually(t, func(ctx context.Context) error {
		_, err := c.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	_, err := c.CoreV1().Secrets(ns).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "token", Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}},
		Type:       corev1.SecretTypeServiceAccountToken,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		s, err := c.CoreV1().Secrets(ns).Get(ctx, "token", metav1.GetOptions{})
		if err == nil && (len(s.Data["token"]) == 0 || len(s.Data["ca.crt"]) == 0) {
			err = errors.New("it is not filled")
		}
		return err
	})
}

// TestAuditNamesWhoDidWhat reads the log as a proof of least privilege would.
func TestAuditNamesWhoDidWhat(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	configMap(t, c, ns, "noted")
	eventually(t, func(context.Context) error {
		for _, line := range strings.Split(mustRead(t, shared.dir+"/audit.log"), "\n") {
			if has(line, `"verb":"create"`, `"namespace":"`+ns+`"`, `"name":"noted"`, `"username":"kubernetes-admin"`) {
				if strings.Contains(line, "requestObject") {
					return errors.New("bodies are in the audit log")
				}
				return nil
			}
		}
		return errors.New("not in the audit log")
	})
}

func has(line string, words ...string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
}
