package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stargate.io/stargate/policies/hooks/wire"
)

// maxRedirects that are followed, each only to where the first request might have gone.
const maxRedirects = 3

// notSettable are headers that say how a request travels, which is not a script's to say.
var notSettable = []string{
	"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade",
}

// acrossHosts are the headers of a script that go along to another host; all others may be credentials.
var acrossHosts = map[string]bool{"Accept": true, "Content-Type": true, "Idempotency-Key": true, "User-Agent": true}

// http carries out a request, if the Hook allows where it goes.
func (c *conversation) http(payload []byte) (answer *wire.HTTPReply, done VerbDone, err error) {
	done.What = "http"
	var asked wire.HTTP
	if err := json.Unmarshal(payload, &asked); err != nil {
		return nil, done, fmt.Errorf("reading the call: %w", err)
	}
	list := allowedOf(c.call.Hosts)
	target, err := url.Parse(asked.URL)
	if err != nil || len(asked.URL) > wire.MaxURL {
		return nil, done, fmt.Errorf("http: that is no address of the web") // the error of url.Parse has all of it in it
	}
	done.What = clipped("http "+clipped(asked.Method, 16)+" "+bare(target), maxRecorded)
	if err := c.mayAsk(list, target); err != nil {
		return nil, done, err
	}
	timeout := min(max(asked.Timeout, time.Millisecond), c.run.Deadline)
	ctx, cancel := context.WithTimeout(c.until, timeout)
	defer cancel()
	if outside, ok := c.host.(Outside); ok {
		response, err := outside.HTTP(ctx, Request{asked.Method, asked.URL, asked.Headers, asked.Body})
		if err != nil {
			return nil, done, err
		}
		done.Result = fmt.Sprintf("%d, %d bytes", response.Status, len(response.Body))
		return &wire.HTTPReply{Status: response.Status, Headers: response.Headers, Body: response.Body}, done, nil
	}
	answer, err = c.request(ctx, list, asked, target)
	if err != nil {
		return nil, done, told(err, asked.Method, target, timeout)
	}
	done.Result = fmt.Sprintf("%d, %d bytes", answer.Status, len(answer.Body))
	return answer, done, nil
}

// bare is an address without what may be a secret in it.
func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// told makes of an error of net/http, which has the whole address in it, one for the record.
func told(err error, method string, target *url.URL, timeout time.Duration) error {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused
	}
	var uerr *url.Error
	if errors.As(err, &uerr) {
		err = uerr.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", timeout)
	}
	return fmt.Errorf("http %s %s: %w", clipped(method, 16), bare(target), err)
}

// mayAsk judges an address before anything is looked up for it.
func (c *conversation) mayAsk(list allowed, target *url.URL) error {
	if target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "" || target.Opaque != "" {
		return &refusal{ReasonNotAllowed, "http: an address begins with https:// or http:// and a host"}
	}
	host, port := target.Hostname(), portOf(target)
	if list.names(host, port) {
		return nil
	}
	if address, ok := literal(host); ok && list.addresses(address, port) {
		return nil
	}
	return &refusal{ReasonNotAllowed, fmt.Sprintf("http: %s is not allowed: add %s to spec.allow.hosts of hook %s", clipped(target.Host, 260), clipped(host, 255), c.call.Name)}
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// request over a connection of its own: none is kept that was judged for another run.
func (c *conversation) request(ctx context.Context, list allowed, asked wire.HTTP, target *url.URL) (*wire.HTTPReply, error) {
	request, err := newRequest(ctx, asked, target)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.dial(ctx, list, network, address)
		},
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: wire.MaxBody / 16,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, before []*http.Request) error {
		return c.redirect(list, next, before)
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, wire.MaxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case len(body) > wire.MaxBody:
		return nil, &refusal{ReasonOutput, fmt.Sprintf("http: the answer of %s has more than %d bytes", clipped(target.Host, 260), wire.MaxBody)}
	}
	answer := &wire.HTTPReply{Status: response.StatusCode, Headers: map[string]string{}, Body: body}
	for name, values := range response.Header {
		answer.Headers[name] = strings.Join(values, ", ")
	}
	return answer, nil
}

func newRequest(ctx context.Context, asked wire.HTTP, target *url.URL) (*http.Request, error) {
	switch asked.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		return nil, fmt.Errorf("no method %q", clipped(asked.Method, 16))
	}
	var body io.Reader
	if len(asked.Body) > 0 {
		body = strings.NewReader(string(asked.Body))
	}
	request, err := http.NewRequestWithContext(ctx, asked.Method, target.String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "stargate-hook")
	for name, value := range asked.Headers {
		for _, not := range notSettable {
			if strings.EqualFold(name, not) {
				return nil, fmt.Errorf("the header %s is not a script's to set", not)
			}
		}
		request.Header.Set(name, value)
	}
	return request, nil
}

// redirect judges the next address as the first was judged, and takes along to another host what is no secret.
func (c *conversation) redirect(list allowed, next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	first := before[0].URL
	if before[len(before)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return &refusal{ReasonNotAllowed, fmt.Sprintf("http: %s redirects from https to http", clipped(before[len(before)-1].URL.Host, 260))}
	}
	if err := c.mayAsk(list, next.URL); err != nil {
		return err
	}
	next.Header.Del("Referer")
	if !strings.EqualFold(first.Host, next.URL.Host) || first.Scheme != next.URL.Scheme {
		for name := range next.Header {
			if !acrossHosts[name] {
				next.Header.Del(name)
			}
		}
	}
	return nil
}
