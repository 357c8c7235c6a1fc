package source

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

const (
	infoRefs  = "/info/refs"
	shownType = "application/x-git-upload-pack-advertisement"
	packType  = "application/x-git-upload-pack-result"
	askedType = "application/x-git-upload-pack-request"
)

// httpRemote speaks git's smart HTTP: the refs by GET, the pack by POST.
type httpRemote struct {
	base   string // URL of the repository without a slash at its end
	origin string
	creds  Credentials
	limits Limits
	client *http.Client
}

func reachHTTP(u *url.URL, c Credentials, l Limits) (remote, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.CA) > 0 {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, keyProblem(KeyCA, "holds no certificate in PEM form")
		}
	}
	r := &httpRemote{
		base:   u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"),
		origin: origin(u), creds: c, limits: l,
	}
	r.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        tlsConfig,
			DialContext:            (&net.Dialer{}).DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: r.redirect,
	}
	return r, nil
}

// origin of a URL: what credentials are bound to.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// redirect lets a server move the repository within itself, and nowhere else.
func (r *httpRemote) redirect(next *http.Request, via []*http.Request) error {
	switch {
	case origin(next.URL) != r.origin || next.URL.User != nil:
		return failure(Refused, "if that is right, write it into spec.url", "the server redirects elsewhere, to %s", redacted(next.URL))
	case via[0].Method != http.MethodGet || len(via) > 5 || !strings.HasSuffix(next.URL.Path, infoRefs):
		return failure(Refused, "write the URL into spec.url at which the repository is", "the server redirects to %s", redacted(next.URL))
	}
	return nil
}

func (r *httpRemote) close() { r.client.CloseIdleConnections() }

func (r *httpRemote) advertise(ctx context.Context) (*advert, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+infoRefs+"?service=git-upload-pack", nil)
	if err != nil {
		return nil, failure(Refused, "check spec.url", "the URL cannot be asked")
	}
	resp, err := r.do(req, shownType)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	seen, err := readAdvert(resp.Body, r.limits.Advertisement)
	if err != nil {
		return nil, sorted(err)
	}
	final := *resp.Request.URL
	seen.base = final.Scheme + "://" + final.Host + strings.TrimSuffix(final.EscapedPath(), infoRefs)
	return seen, nil
}

func (r *httpRemote) objects(ctx context.Context, seen *advert, commit plumbing.Hash) (objects, error) {
	if seen == nil || seen.base == "" {
		var err error
		if seen, err = r.advertise(ctx); err != nil {
			return nil, err
		}
	}
	if u, err := url.Parse(seen.base); err != nil || origin(u) != r.origin {
		return nil, failure(Refused, "", "the head is that of another repository")
	}
	body, err := wants(seen, commit)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, seen.base+"/git-upload-pack", bytes.NewReader(body))
	if err != nil {
		return nil, failure(Refused, "check spec.url", "the URL cannot be asked")
	}
	req.Header.Set("Content-Type", askedType)
	resp, err := r.do(req, packType)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := readReply(ctx, resp.Body, r.limits)
	if err != nil {
		return nil, sorted(explainNotOurRef(err, seen, commit))
	}
	return openPack(ctx, raw, r.limits)
}

// do one request, with credentials, and sort out what is no answer.
func (r *httpRemote) do(req *http.Request, contentType string) (*http.Response, error) {
	req.Header.Set("User-Agent", "git/"+agent) // some servers answer git only
	req.Header.Set("Accept", contentType)
	switch {
	case r.creds.BearerToken != "":
		req.Header.Set("Authorization", "Bearer "+r.creds.BearerToken)
	case r.creds.Username != "" || r.creds.Password != "":
		req.SetBasicAuth(r.creds.Username, r.creds.Password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, sorted(err)
	}
	if err := r.status(resp, contentType); err != nil {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// status of an answer. Its body is nobody's business: it may repeat what it was sent.
func (r *httpRemote) status(resp *http.Response, contentType string) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		if got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); got != contentType {
			return failure(Refused, "write the URL that git clone takes into spec.url",
				"the server does not speak git's smart HTTP there: it answered with %q", brief(got))
		}
		return nil
	case code == http.StatusUnauthorized && !r.creds.any():
		return failure(Auth, "name a Secret in spec.credentialsRef, with username and password or with bearerToken", "the server asks for credentials")
	case code == http.StatusUnauthorized:
		return failure(Auth, "renew them in the Secret that spec.credentialsRef names", "the server does not take the credentials")
	case code == http.StatusForbidden:
		return failure(Auth, "let these credentials read the repository", "the server forbids it")
	case code == http.StatusNotFound, code == http.StatusGone:
		return notFound()
	case code == http.StatusProxyAuthRequired:
		return failure(Auth, "give the controller's HTTPS_PROXY credentials", "the proxy asks for credentials")
	default:
		return failure(Transient, "it is tried again", "the server answered with status %d", code)
	}
}

// sorted gives errors of the network their kind.
func sorted(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return failure(Auth, "put the certificate of its CA under ca.crt into the Secret that spec.credentialsRef names",
			"the server's certificate is not to be trusted: %s", plainly(err))
	}
	return failure(Transient, "it is tried again", "%s", plainly(err))
}

// plainly is the innermost reason, without the URL that net/http puts before it.
func plainly(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return brief(err.Error())
}
