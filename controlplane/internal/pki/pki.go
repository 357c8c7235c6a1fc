// Package pki makes and keeps the keys and certificates of one control plane.
//
// In: a folder, the names and addresses the API server answers to, and the time.
// Out: files in that folder, and their paths. It must never replace the
// authority or the service-account key: every kubeconfig, kubelet and token
// already handed out depends on them.
//
//	ca ──┬── apiserver                   serving certificate
//	     ├── admin                       system:masters, for the kubeconfig
//	     ├── controllers                 system:kube-controller-manager
//	     └── kubelet-client              the API server, when it calls a kubelet
//	sa                                   signs service-account tokens
package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
	// renewBefore leaves a month in which a restart, or the daily look, renews.
	renewBefore = 30 * 24 * time.Hour
	// backdate forgives clocks of other machines that lag behind.
	backdate = 5 * time.Minute
)

// KubeletClientUser is the name under which the API server calls kubelets.
const KubeletClientUser = "kube-apiserver-kubelet-client"

// Pair names the PEM files of a certificate and its key.
type Pair struct{ Cert, Key string }

// Bundle is everything Ensure keeps.
type Bundle struct {
	CA, APIServer, Admin, Controllers, KubeletClient Pair
	// ServiceAccountKey is the PEM file of the private key that signs tokens.
	ServiceAccountKey string
}

// Names is what the API server's certificate is valid for.
type Names struct {
	DNS []string
	IPs []net.IP
}

// Ensure makes what is absent from dir and renews each certificate that ends
// within a month, no longer covers names or was not signed by the authority.
// It reports whether anything was written. It fails when the authority itself
// has ended, since renewing that cuts off everyone who trusts it.
func Ensure(dir string, names Names, now time.Time) (b Bundle, changed bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Bundle{}, false, fmt.Errorf("making key folder: %w", err)
	}
	b = layout(dir)
	a, changed, err := ensureAuthority(b.CA, now)
	if err != nil {
		return Bundle{}, false, err
	}
	made, err := ensureKey(b.ServiceAccountKey)
	if err != nil {
		return Bundle{}, false, err
	}
	changed = changed || made
	for _, l := range leaves(b, names) {
		made, err := a.ensureLeaf(l, now)
		if err != nil {
			return Bundle{}, false, err
		}
		changed = changed || made
	}
	return b, changed, nil
}

func layout(dir string) Bundle {
	pair := func(name string) Pair {
		return Pair{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
	}
	return Bundle{
		CA: pair("ca"), APIServer: pair("apiserver"), Admin: pair("admin"),
		Controllers: pair("controllers"), KubeletClient: pair("kubelet-client"),
		ServiceAccountKey: filepath.Join(dir, "sa.key"),
	}
}

// leaf is a certificate as it should be.
type leaf struct {
	files   Pair
	subject pkix.Name
	names   Names
	usage   x509.ExtKeyUsage
}

func leaves(b Bundle, names Names) []leaf {
	client := func(p Pair, user string, groups ...string) leaf {
		return leaf{files: p, subject: pkix.Name{CommonName: user, Organization: groups}, usage: x509.ExtKeyUsageClientAuth}
	}
	return []leaf{
		{files: b.APIServer, subject: pkix.Name{CommonName: "kube-apiserver"}, names: names, usage: x509.ExtKeyUsageServerAuth},
		client(b.Admin, "kubernetes-admin", "system:masters"),
		client(b.Controllers, "system:kube-controller-manager"),
		client(b.KubeletClient, KubeletClientUser),
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}
