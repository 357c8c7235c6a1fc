package dcapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// isCertificate tells whether a request failed because one side did not accept the other's certificate.
func isCertificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &invalid) || refusedInHandshake(err)
}

// refusedInHandshake tells whether the site refused the TLS handshake. In TLS 1.3 a client believes that the
// handshake is done before the site has looked at its certificate, so that the refusal arrives in answer to the
// request, which the site then has not read.
func refusedInHandshake(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return false
	}
	for _, alert := range []string{
		"bad certificate", "unsupported certificate", "revoked certificate", "expired certificate",
		"unknown certificate", "certificate required", "access denied", "handshake failure",
	} {
		if strings.Contains(op.Err.Error(), alert) {
			return true
		}
	}
	return false
}
