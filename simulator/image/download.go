package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// mark of what a server gave: with it a download is gone on with, or known to be the same still.
type mark struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	// Size of the whole; -1 where the server does not say.
	Size int64 `json:"size"`
}

// strong is what If-Range takes; empty where the server gives nothing of the kind.
func (m mark) strong() string {
	if m.ETag != "" && !strings.HasPrefix(m.ETag, "W/") {
		return m.ETag
	}
	return m.LastModified
}

func markOf(response *http.Response) mark {
	m := mark{ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified"), Size: response.ContentLength}
	if len(m.ETag) > 512 || len(m.LastModified) > 64 {
		m.ETag, m.LastModified = "", ""
	}
	return m
}

// newClient gives a client with bounds on all but the length of the body, which its reader bounds.
func newClient(bounds Bounds) *http.Client {
	dialer := &net.Dialer{Timeout: bounds.Stall, ControlContext: notLinkLocal}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: bounds.Stall, ResponseHeaderTimeout: bounds.Stall, MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout: time.Minute, DisableCompression: true,
		},
		CheckRedirect: checkRedirect,
	}
}

// notLinkLocal keeps a profile from reading what a cloud tells the host that we run on.
func notLinkLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	where, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if where.Addr().Unmap().IsLinkLocalUnicast() {
		return fail(Forbidden, "%s is an address of this host's own link: images are not fetched from there", where.Addr())
	}
	return nil
}

const maxRedirects = 5

func checkRedirect(to *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fail(BadSource, "the server redirects more than %d times", maxRedirects)
	case to.URL.Scheme != "https" && to.URL.Scheme != "http":
		return fail(BadSource, "the server redirects to scheme %.20q", to.URL.Scheme)
	case via[0].URL.Scheme == "https" && to.URL.Scheme != "https":
		return fail(BadSource, "the server redirects from https to http")
	}
	return nil
}

// errSame: the server has still what was got from it before.
var errSame = errors.New("it is the same still")

// ask sends one request. Errors: *Error; errSame where known is not zero and nothing has changed.
func (s *Store) ask(ctx context.Context, address string, at int64, of, known mark) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fail(BadSource, "the URL cannot be asked for")
	}
	request.Header.Set("User-Agent", "stargate-simulator")
	switch {
	case at > 0:
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
		request.Header.Set("If-Range", of.strong())
	case known.ETag != "":
		request.Header.Set("If-None-Match", known.ETag)
	case known.LastModified != "":
		request.Header.Set("If-Modified-Since", known.LastModified)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, asked(err)
	}
	if err := checkStatus(response.StatusCode); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// asked tells the kind of an error of a request. Its words may hold the URL with credentials: they are taken out.
func asked(err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return &Error{Kind: Unavailable, Err: fmt.Errorf("asking the server: %w", err)}
}

func checkStatus(status int) error {
	switch status {
	case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		return nil
	case http.StatusNotModified:
		return errSame
	case http.StatusNotFound, http.StatusGone:
		return fail(NotFound, "the server answers %d: there is no such file", status)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return fail(Forbidden, "the server answers %d: it does not give the file to everybody", status)
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusTooEarly:
		return fail(Unavailable, "the server answers %d", status)
	}
	if status >= http.StatusInternalServerError {
		return fail(Unavailable, "the server answers %d", status)
	}
	return fail(BadSource, "the server answers %d", status)
}

// download brings the whole of a partial file, with as many tries as it takes while each brings something.
// Errors: *Error, errSame, or the context's.
func (s *Store) download(ctx context.Context, w wanted, p *partial, known mark, report func(Progress)) error {
	for failures := 0; !p.isWhole(); {
		had := p.size
		err := s.fetch(ctx, w, p, known, report)
		if err == nil {
			return nil
		}
		var e *Error
		if ctx.Err() != nil || !errors.As(err, &e) || e.Kind != Unavailable {
			return err
		}
		if failures++; p.size > had {
			failures = 0
		}
		if failures >= s.bounds.Tries {
			return err
		}
		select {
		case <-time.After(min(s.bounds.Pause<<failures, maxPause)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

const maxPause = 30 * time.Second

// fetch brings what is missing of a partial file, once. It goes on where the file ends if the server has the same file
// still, and begins again where not. Errors: *Error, or the context's.
func (s *Store) fetch(ctx context.Context, w wanted, p *partial, known mark, report func(Progress)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	response, err := s.ask(ctx, w.source.URL, p.resumable(), p.mark, known)
	if err != nil {
		return orCause(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return errors.Join(p.restart(mark{}), fail(Unavailable, "the server does not go on where the download broke off"))
	}
	limit, err := s.limit(p)
	if err != nil {
		return err
	}
	if err := p.begin(response, limit); err != nil {
		return err
	}
	body := &watched{body: response.Body, stall: s.bounds.Stall, cancel: cancel}
	defer body.watch()()
	return orCause(ctx, p.copy(body, limit, report))
}

// orCause gives what a context ended of instead of what came of it.
func orCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && kindOf(err) != HostFull {
		return cause
	}
	return err
}

// watched ends a request whose body brings nothing for too long.
type watched struct {
	body   io.Reader
	stall  time.Duration
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (w *watched) watch() (stop func()) {
	w.timer = time.AfterFunc(w.stall, func() {
		w.cancel(fail(Unavailable, "the server has sent nothing for %s", w.stall))
	})
	return func() { w.timer.Stop() }
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if n > 0 {
		w.timer.Reset(w.stall)
	}
	return n, err
}

// resumesAt reads where a partial answer begins: "bytes 100-199/200", or "*" for the whole's size.
func resumesAt(contentRange string) (begin, whole int64, ok bool) {
	span, size, found := strings.Cut(strings.TrimPrefix(contentRange, "bytes "), "/")
	first, _, dash := strings.Cut(span, "-")
	begin, err := strconv.ParseInt(first, 10, 64)
	if !found || !dash || err != nil {
		return 0, 0, false
	}
	whole, err = strconv.ParseInt(size, 10, 64)
	if err != nil {
		whole = -1
	}
	return begin, whole, begin >= 0
}

// kindOf an error of this host: a full disk is told apart, since it can be mended here.
func kindOf(err error) Kind {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return HostFull
	}
	return Unavailable
}

// missing tells whether a file is not there.
func missing(err error) bool { return errors.Is(err, os.ErrNotExist) }
