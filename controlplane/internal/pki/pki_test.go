package pki

import (
	"bytes"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	now   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	names = Names{DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}
)

func ensure(t *testing.T, dir string, n Names, at time.Time) (Bundle, bool) {
	t.Helper()
	b, changed, err := Ensure(dir, n, at)
	if err != nil {
		t.Fatal(err)
	}
	return b, changed
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEachCertificateServesItsPurpose(t *testing.T) {
	b, changed := ensure(t, t.TempDir(), names, now)
	if !changed {
		t.Error("nothing was written")
	}
	ca := x509.NewCertPool()
	ca.AppendCertsFromPEM(read(t, b.CA.Cert))
	for _, c := range []struct {
		pair  Pair
		user  string
		group string
		usage x509.ExtKeyUsage
	}{
		{b.APIServer, "kube-apiserver", "", x509.ExtKeyUsageServerAuth},
		{b.Admin, "kubernetes-admin", "system:masters", x509.ExtKeyUsageClientAuth},
		{b.Controllers, "system:kube-controller-manager", "", x509.ExtKeyUsageClientAuth},
		{b.KubeletClient, KubeletClientUser, "", x509.ExtKeyUsageClientAuth},
	} {
		cert, _, err := load(c.pair)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: ca, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{c.usage}}); err != nil {
			t.Errorf("%s: %v", c.user, err)
		}
		if got := strings.Join(cert.Subject.Organization, ","); cert.Subject.CommonName != c.user || got != c.group {
			t.Errorf("got %s of %q, want %s of %q", cert.Subject.CommonName, got, c.user, c.group)
		}
		if cert.IsCA {
			t.Errorf("%s may sign", c.user)
		}
	}
	server, _, _ := load(b.APIServer)
	for _, name := range []string{"localhost", "127.0.0.1"} {
		if err := server.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

func TestKeysAreItsOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, names, now)
	keys, _ := filepath.Glob(filepath.Join(dir, "*.key"))
	if len(keys) != 6 {
		t.Errorf("got %d keys, want 6", len(keys))
	}
	for _, k := range keys {
		if info, err := os.Stat(k); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", k, info.Mode(), err)
		}
	}
}

func TestWhatServesIsKept(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, names, now)
	for _, later := range []time.Duration{0, time.Hour, leafLifetime - renewBefore - time.Hour} {
		if _, changed := ensure(t, dir, names, now.Add(later)); changed {
			t.Errorf("written again after %s", later)
		}
	}
	if _, changed := ensure(t, dir, Names{}, now); changed {
		t.Error("written again for fewer names")
	}
}

func TestWhatDoesNotServeIsRenewed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, b Bundle)
		names Names
		later time.Duration
	}{
		"near its end":      {later: leafLifetime - renewBefore + time.Hour, names: names},
		"after its end":     {later: 2 * leafLifetime, names: names},
		"another address":   {names: Names{IPs: []net.IP{net.IPv4(10, 0, 0, 1)}}},
		"another name":      {names: Names{DNS: []string{"example.com"}}},
		"lost":              {names: names, spoil: func(t *testing.T, b Bundle) { os.Remove(b.APIServer.Cert) }},
		"lost its key":      {names: names, spoil: func(t *testing.T, b Bundle) { os.Remove(b.APIServer.Key) }},
		"another one's key": {names: names, spoil: func(t *testing.T, b Bundle) { os.Rename(b.Admin.Key, b.APIServer.Key) }},
		"damaged":           {names: names, spoil: func(t *testing.T, b Bundle) { os.WriteFile(b.APIServer.Cert, []byte("x"), 0o644) }},
		"of another authority": {names: names, spoil: func(t *testing.T, b Bundle) {
			other, _ := ensure(t, t.TempDir(), names, now)
			os.Rename(other.APIServer.Cert, b.APIServer.Cert)
			os.Rename(other.APIServer.Key, b.APIServer.Key)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b, _ := ensure(t, dir, names, now)
			ca, sa := read(t, b.CA.Cert), read(t, b.ServiceAccountKey)
			if c.spoil != nil {
				c.spoil(t, b)
			}
			at := now.Add(c.later)
			if _, changed := ensure(t, dir, c.names, at); !changed {
				t.Error("not renewed")
			}
			cert, _, err := load(b.APIServer)
			if err != nil {
				t.Fatal(err)
			}
			if left := cert.NotAfter.Sub(at); left < leafLifetime-time.Hour {
				t.Errorf("it lasts for another %s", left)
			}
			for _, ip := range c.names.IPs {
				if err := cert.VerifyHostname(ip.String()); err != nil {
					t.Error(err)
				}
			}
			if !bytes.Equal(ca, read(t, b.CA.Cert)) || !bytes.Equal(sa, read(t, b.ServiceAccountKey)) {
				t.Error("the authority or the service-account key was replaced")
			}
		})
	}
}

func TestAuthorityIsNeverReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(b Bundle)
		later time.Duration
		says  string
	}{
		"damaged":           {spoil: func(b Bundle) { os.WriteFile(b.CA.Cert, []byte("x"), 0o644) }, says: "ca.crt"},
		"lost its key":      {spoil: func(b Bundle) { os.Remove(b.CA.Key) }, says: "ca.key"},
		"ended":             {later: caLifetime + time.Hour, says: "move the key folder away"},
		"sa key is damaged": {spoil: func(b Bundle) { os.WriteFile(b.ServiceAccountKey, nil, 0o600) }, says: "sa.key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b, _ := ensure(t, dir, names, now)
			if c.spoil != nil {
				c.spoil(b)
			}
			_, _, err := Ensure(dir, names, now.Add(c.later))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

// A crash of the very first start can leave the authority's key alone; nobody trusts it yet.
func TestLoneKeyOfTheAuthorityIsReplaced(t *testing.T) {
	dir := t.TempDir()
	b, _ := ensure(t, dir, names, now)
	os.Remove(b.CA.Cert)
	if _, changed := ensure(t, dir, names, now); !changed {
		t.Error("nothing was written")
	}
}

// In its last year the authority signs no further than its own end, and that is not near for ever.
func TestLeafDoesNotOutliveTheAuthority(t *testing.T) {
	dir := t.TempDir()
	b, _ := ensure(t, dir, names, now)
	late := now.Add(caLifetime - renewBefore/2)
	ensure(t, dir, names, late)
	ca, _, _ := load(b.CA)
	leaf, _, _ := load(b.Admin)
	if leaf.NotAfter.After(ca.NotAfter) {
		t.Errorf("leaf ends %s, authority %s", leaf.NotAfter, ca.NotAfter)
	}
	if _, changed := ensure(t, dir, names, late); changed {
		t.Error("renewed again at once")
	}
}
