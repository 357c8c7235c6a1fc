package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"time"

	"stargate.io/stargate/controlplane/internal/atomicfile"
)

// ensureAuthority reads the authority, or makes it when there is no certificate.
// A damaged one is for a person to look at: a new one would silently lock
// everybody out. (store writes the key first, so a lone key is a crash of the
// very first start and nobody trusts it yet.)
func ensureAuthority(files Pair, now time.Time) (*authority, bool, error) {
	if _, err := os.Stat(files.Cert); errors.Is(err, fs.ErrNotExist) {
		a, err := newAuthority(now)
		if err != nil {
			return nil, false, err
		}
		return a, true, store(files, a.cert, a.key)
	}
	cert, key, err := load(files)
	if err != nil {
		return nil, false, fmt.Errorf("reading certificate authority: %w", err)
	}
	if now.After(cert.NotAfter) {
		return nil, false, fmt.Errorf("certificate authority %s ended on %s; move the key folder away to make a new one, "+
			"then replace every kubeconfig and rejoin every node", files.Cert, cert.NotAfter.Format(time.DateOnly))
	}
	return &authority{cert: cert, key: key}, false, nil
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "stargate-control-plane"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	cert, err := sign(tmpl, tmpl, key, key)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key}, nil
}

func ensureKey(path string) (made bool, err error) {
	if _, err := readKey(path); err == nil {
		return false, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("reading service-account key: %w", err)
	}
	key, err := newKey()
	if err != nil {
		return false, err
	}
	return true, writeKey(path, key)
}

// ensureLeaf issues l unless what is on disk still serves. A file that cannot
// be read is replaced: unlike the authority, nobody else depends on it.
func (a *authority) ensureLeaf(l leaf, now time.Time) (made bool, err error) {
	if cert, _, err := load(l.files); err == nil && a.serves(cert, l, now) {
		return false, nil
	}
	key, err := newKey()
	if err != nil {
		return false, err
	}
	cert, err := sign(&x509.Certificate{
		Subject:     l.subject,
		DNSNames:    l.names.DNS,
		IPAddresses: l.names.IPs,
		NotBefore:   now.Add(-backdate),
		NotAfter:    earlier(now.Add(leafLifetime), a.cert.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{l.usage},
	}, a.cert, key, a.key)
	if err != nil {
		return false, err
	}
	return true, store(l.files, cert, key)
}

// serves tells whether cert can stand for l for another renewBefore.
func (a *authority) serves(cert *x509.Certificate, l leaf, now time.Time) bool {
	hasIP := func(ip net.IP) bool { return slices.ContainsFunc(cert.IPAddresses, ip.Equal) }
	hasDNS := func(name string) bool { return slices.Contains(cert.DNSNames, name) }
	missing := slices.ContainsFunc(l.names.IPs, func(ip net.IP) bool { return !hasIP(ip) }) ||
		slices.ContainsFunc(l.names.DNS, func(name string) bool { return !hasDNS(name) })
	// The authority's own end cannot be outlived, so it does not count as near.
	end := earlier(now.Add(renewBefore), a.cert.NotAfter)
	return !missing && !cert.NotAfter.Before(end) && !now.Before(cert.NotBefore) &&
		cert.Subject.CommonName == l.subject.CommonName && cert.CheckSignatureFrom(a.cert) == nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// newKey makes a P-256 key: a fraction of the start time of RSA, and every
// Kubernetes client and kubelet takes it.
func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	return key, nil
}

func sign(tmpl, parent *x509.Certificate, key, parentKey crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making serial number: %w", err)
	}
	tmpl.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), parentKey)
	if err != nil {
		return nil, fmt.Errorf("signing certificate of %s: %w", tmpl.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// store writes the key first: a crash in between leaves a pair that does not
// match, which load refuses, rather than a certificate without its key.
func store(files Pair, cert *x509.Certificate, key crypto.Signer) error {
	if err := writeKey(files.Key, key); err != nil {
		return err
	}
	return atomicfile.Write(files.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	return atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// load reads a pair and makes sure that its halves belong together.
func load(files Pair) (*x509.Certificate, crypto.Signer, error) {
	der, err := readPEM(files.Cert, "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing %s: %w", files.Cert, err)
	}
	key, err := readKey(files.Key)
	if err != nil {
		return nil, nil, err
	}
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !pub.Equal(key.Public()) {
		return nil, nil, fmt.Errorf("reading %s: not the key of %s", files.Key, files.Cert)
	}
	return cert, key, nil
}

func readKey(path string) (crypto.Signer, error) {
	der, err := readPEM(path, "EC PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", path, err)
	}
	return key, nil
}

func readPEM(path, kind string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("reading %s: want one PEM block of type %s", path, kind)
	}
	return block.Bytes, nil
}
