package forgery

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"stargate.io/stargate/config"
	"stargate.io/stargate/test/cluster"
)

// world is a cluster with Stargate's roles, and a namespace.
type world struct {
	*cluster.Cluster
	namespace string
	admin     kubernetes.Interface
	objects   dynamic.Interface
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cluster: cluster.Shared(t)}
	w.namespace = w.Namespace(t)
	w.admin, w.objects = kubernetes.NewForConfigOrDie(w.Config), dynamic.NewForConfigOrDie(w.Config)
	roles, err := config.RBAC()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(t.Context(), roles...); err != nil {
		t.Fatal(err)
	}
	return w
}

// person is somebody with a certificate.
type person struct {
	*world
	name       string
	kubeconfig string
	home       string
}

// person gets a certificate the way people do: a request, approved and signed.
func (w *world) person(t *testing.T, name string, groups ...string) *person {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name, Organization: groups}}, key)
	must(t, err)
	requests := w.admin.CertificatesV1().CertificateSigningRequests()
	request, err := requests.Create(t.Context(), &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: w.namespace},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
			SignerName: certificatesv1.KubeAPIServerClientSignerName, Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}, metav1.CreateOptions{})
	must(t, err)
	request.Status.Conditions = append(request.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Test"})
	_, err = requests.UpdateApproval(t.Context(), request.Name, request, metav1.UpdateOptions{})
	must(t, err)
	eventually(t, "a certificate for "+name, func() bool {
		request, err = requests.Get(t.Context(), request.Name, metav1.GetOptions{})
		must(t, err)
		return len(request.Status.Certificate) > 0
	})
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	return w.login(t, name, &clientcmdapi.AuthInfo{
		ClientCertificateData: request.Status.Certificate,
		ClientKeyData:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	})
}

func (w *world) login(t *testing.T, name string, as *clientcmdapi.AuthInfo) *person {
	t.Helper()
	ca := w.Config.CAData
	if len(ca) == 0 {
		var err error
		ca, err = os.ReadFile(w.Config.CAFile)
		must(t, err)
	}
	p := &person{world: w, name: name, home: t.TempDir()}
	p.kubeconfig = filepath.Join(p.home, "kubeconfig")
	must(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: w.URL, CertificateAuthorityData: ca}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: as},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: name, Namespace: w.namespace}},
		CurrentContext: "c",
	}, p.kubeconfig))
	return p
}

// is binds a role of the installation to the person, in the namespace, or for the cluster.
func (p *person) is(t *testing.T, roles ...string) *person {
	t.Helper()
	for _, role := range roles {
		_, err := p.admin.RbacV1().RoleBindings(p.namespace).Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}, Subjects: p.subject(),
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		}, metav1.CreateOptions{})
		must(t, err)
	}
	return p
}

// may gives the person rules of its own, for the whole cluster: "verb,verb resource,resource[:name]".
func (p *person) may(t *testing.T, rules ...string) *person {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	for _, rule := range rules {
		verbs, rest, _ := strings.Cut(rule, " ")
		resources, name, named := strings.Cut(rest, ":")
		policy := rbacv1.PolicyRule{APIGroups: []string{"stargate.io"}, Verbs: strings.Split(verbs, ","), Resources: strings.Split(resources, ",")}
		if named {
			policy.ResourceNames = []string{name}
		}
		role.Rules = append(role.Rules, policy)
	}
	role, err := p.admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{})
	must(t, err)
	binding, err := p.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}, Subjects: p.subject(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
	}, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		_ = p.admin.RbacV1().ClusterRoleBindings().Delete(context.Background(), binding.Name, metav1.DeleteOptions{})
		_ = p.admin.RbacV1().ClusterRoles().Delete(context.Background(), role.Name, metav1.DeleteOptions{})
	})
	return p
}

func (p *person) subject() []rbacv1.Subject {
	if account, is := strings.CutPrefix(p.name, "system:serviceaccount:"); is {
		namespace, name, _ := strings.Cut(account, ":")
		return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}}
	}
	return []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: p.name}}
}

// ready returns when the API server goes by what was bound to the person last, which it learns of a
// moment later: the person may do what is asked for, "verb resource".
func (p *person) ready(t *testing.T, asks ...string) *person {
	t.Helper()
	for _, ask := range asks {
		verb, resource, _ := strings.Cut(ask, " ")
		eventually(t, p.name+" may "+ask, func() bool {
			out, err := p.kubectl(t, "auth", "can-i", verb, resource+".stargate.io")
			return err == nil && strings.HasPrefix(strings.TrimSpace(lastLine(out)), "yes")
		})
	}
	return p
}

// kubectl runs the real one as the person.
func (p *person) kubectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return p.kubectlWith(t, nil, args...)
}

func (p *person) kubectlWith(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("kubectl is not installed")
	}
	cmd := exec.Command(path, append([]string{"--kubeconfig", p.kubeconfig}, args...)...)
	cmd.Env = append(append(os.Environ(), "HOME="+p.home, "TMPDIR="+p.home, "KUBECONFIG="), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *person) mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.kubectl(t, args...)
	if err != nil {
		t.Fatalf("%s: kubectl %s: %v\n%s", p.name, strings.Join(args, " "), err, out)
	}
	return out
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// eventually polls for what Kubernetes does a moment later.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		case <-time.After(50 * time.Millisecond): // the pace of the polling
		}
	}
}

// controllerToken is a token of the account that the controller runs as.
func (w *world) controllerToken(ctx context.Context) (*clientcmdapi.AuthInfo, error) {
	token, err := w.admin.CoreV1().ServiceAccounts(config.SystemNamespace).CreateToken(ctx, config.ControllerAccount, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return &clientcmdapi.AuthInfo{Token: token.Status.Token}, nil
}

// withText is an error with what was printed.
func withText(err error, text string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", err, text)
}
