package dcapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi"
)

// authority signs certificates for a test.
type authority struct {
	*testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{T: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.cert, a.key = template, newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue gives a certificate and key in PEM for 127.0.0.1, or for a name, that expires at a time.
func (a *authority) issue(name string, expires time.Time) (certPEM, keyPEM []byte) {
	a.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: expires,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if name == "" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	} else {
		template.DNSNames = []string{name}
	}
	key := newKey(a.T)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// TestCertificates: whichever side's certificate is not right, nothing lands, and the message says which to look at.
func TestCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	type site struct {
		name    string
		expires time.Time
		clients *authority
		version uint16
	}
	good := site{expires: later}
	clientCert, clientKey := ours.issue("client", later)
	oldCert, oldKey := ours.issue("client", before)
	otherCert, otherKey := theirs.issue("client", later)
	for _, c := range []struct {
		name   string
		site   site
		config dcapi.Config
		want   string
	}{
		{"the right one", good, dcapi.Config{CAPEM: ours.pem}, "ok"},
		{"another authority", good, dcapi.Config{CAPEM: theirs.pem}, "Transient CertificateInvalid"},
		{"no authority", good, dcapi.Config{}, "Transient CertificateInvalid"},
		{"expired", site{expires: before}, dcapi.Config{CAPEM: ours.pem}, "Transient CertificateInvalid"},
		{"for another name", site{name: "other.example", expires: later}, dcapi.Config{CAPEM: ours.pem}, "Transient CertificateInvalid"},
		{"for the name that is expected", site{name: "dc.example", expires: later}, dcapi.Config{CAPEM: ours.pem, ServerName: "dc.example"}, "ok"},
		{"any will do", site{expires: before}, dcapi.Config{InsecureSkipVerify: true}, "ok"},
		{"mutual", site{expires: later, clients: ours}, dcapi.Config{CAPEM: ours.pem, ClientCertPEM: clientCert, ClientKeyPEM: clientKey}, "ok"},
		{"mutual, none shown", site{expires: later, clients: ours}, dcapi.Config{CAPEM: ours.pem}, "Transient CertificateInvalid"},
		{"mutual, expired", site{expires: later, clients: ours}, dcapi.Config{CAPEM: ours.pem, ClientCertPEM: oldCert, ClientKeyPEM: oldKey}, "Transient CertificateInvalid"},
		{"mutual, from elsewhere", site{expires: later, clients: ours}, dcapi.Config{CAPEM: ours.pem, ClientCertPEM: otherCert, ClientKeyPEM: otherKey}, "Transient CertificateInvalid"},
		{"TLS 1.1", site{expires: later, version: tls.VersionTLS11}, dcapi.Config{CAPEM: ours.pem}, "Transient Unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pair, err := tls.X509KeyPair(ours.issue(c.site.name, c.site.expires))
			if err != nil {
				t.Fatal(err)
			}
			fakeSite := &fake{version: "v2"}
			server := httptest.NewUnstartedServer(fakeSite)
			server.Config.ErrorLog = quiet()
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: c.site.version, MinVersion: tls.VersionTLS10}
			if c.site.clients != nil {
				server.TLS.ClientAuth, server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
				server.TLS.ClientCAs.AddCert(c.site.clients.cert)
			}
			server.StartTLS()
			t.Cleanup(server.Close)
			c.config.Endpoint = server.URL
			_, err = newDriver(t, c.config).Probe(t.Context())
			// In TLS 1.3 the site's refusal of ours may come as a reset instead of an alert, if we are still writing.
			if c.site.clients != nil && verdict(err) == "Transient Unreachable" {
				return
			}
			check(t, "Probe", err, c.want)
		})
	}
}

// TestNotReached: what fails before there is a connection did not land, whatever the call.
func TestNotReached(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	plain := httptest.NewServer(&fake{version: "v2"})
	t.Cleanup(plain.Close)
	for name, endpoint := range map[string]string{
		"nothing listens":       closed.URL,
		"no such host":          "http://no-such-host.invalid",
		"TLS to a plain server": "https://" + plain.Listener.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			driver := newDriver(t, dcapi.Config{Endpoint: endpoint})
			_, err := driver.Start(t.Context(), conformance.Repave("u-1", 1))
			check(t, "Start", err, "Transient Unreachable")
			_, err = driver.Status(t.Context(), drivers.JobRef{JobID: "job-1"})
			check(t, "Status", err, "Transient Unreachable")
			_, _, err = driver.Find(t.Context(), "u-1")
			check(t, "Find", err, "Transient Unreachable")
		})
	}
}
