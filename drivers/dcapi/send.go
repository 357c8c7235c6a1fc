package dcapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"stargate.io/stargate/drivers"
)

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

// call is one request to the site, which may be sent several times.
type call struct {
	// doing says what it is for, for messages: "starting repave of server-001 (request u-1)".
	doing string
	// build makes the request anew for each try.
	build func() (*http.Request, error)
	// post: it may change something at the site.
	post bool
	// repeatable: sending it twice does no more than sending it once.
	repeatable bool
	// own connection, so that a kept one which the site has just closed cannot leave the outcome in doubt.
	fresh bool
	// documents that are in the request and must not come back in a message.
	documents [][]byte
}

// answer is what the site said.
type answer struct {
	status int
	header http.Header
	body   []byte
	// bodyErr tells why the body could not be read whole.
	bodyErr error
	secrets secrets
}

// ambiguous is the kind of an outcome that says nothing of whether the request landed.
func (c call) ambiguous() drivers.Kind {
	if c.post {
		return drivers.Unknown
	}
	return drivers.Transient
}

// exchange sends a call once and reads the answer. Errors: no answer came.
func (d *Driver) exchange(ctx context.Context, c call) (answer, *drivers.Error) {
	release, err := d.turn(ctx)
	if err != nil {
		return answer{}, d.fail(c, drivers.Transient, drivers.ReasonBusy, "no turn came up within the deadline",
			"raise limits of the Datacenter if this lasts", err)
	}
	defer release()
	token, failed := d.token(ctx, c)
	if failed != nil {
		return answer{}, failed
	}
	request, err := c.build()
	if err != nil {
		return answer{}, d.fail(c, drivers.Rejected, "", "the request cannot be built", "report this as a bug", err)
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	var connected, reused bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// From here on the request may be on its way: the transport writes in another goroutine, so that no
		// later sign can tell that it has not begun to.
		GotConn: func(info httptrace.GotConnInfo) { connected, reused = true, info.Reused },
	})
	request = request.WithContext(ctx)
	d.prepare(request, token)
	hidden := secretsOf(token, c.documents...)
	response, err := d.transport(c).RoundTrip(request)
	if err != nil {
		landed := connected && (reused || !refusedInHandshake(err))
		return answer{}, d.noAnswer(c, hidden, landed, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	body, err := readBounded(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: body, bodyErr: err, secrets: hidden}, nil
}

// turn waits for a place among the concurrent requests and for the pace. Its errors mean that nothing was sent.
func (d *Driver) turn(ctx context.Context) (func(), error) {
	select {
	case d.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := func() { <-d.turns }
	if err := d.pace.Wait(ctx); err != nil {
		release()
		return nil, fmt.Errorf("waiting for the pace: %w", err)
	}
	return release, nil
}

func (d *Driver) token(ctx context.Context, c call) (string, *drivers.Error) {
	if d.config.Token == nil {
		return "", nil
	}
	token, err := d.config.Token(ctx)
	token = strings.TrimSpace(token)
	usable := token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
	switch {
	case err != nil:
		return "", d.fail(c, drivers.Transient, drivers.ReasonCredentials, "the token cannot be read",
			"mend the Secret that the Datacenter refers to", secretsOf(token).cause(err))
	case !usable:
		return "", d.fail(c, drivers.Transient, drivers.ReasonCredentials, "the token is empty, or holds what no HTTP header may",
			"mend the Secret that the Datacenter refers to", nil)
	}
	return token, nil
}

// prepare puts on what goes with every request, and takes off what would let the transport send it again.
func (d *Driver) prepare(request *http.Request, token string) {
	request.GetBody = nil
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "stargate-dcapi/2")
	// The requests are built from the endpoint. This holds should that ever change.
	if token != "" && request.URL.Scheme == d.endpoint.Scheme && request.URL.Host == d.endpoint.Host {
		request.Header.Set("Authorization", "Bearer "+token)
	}
}

func (d *Driver) transport(c call) http.RoundTripper {
	if c.fresh {
		return d.fresh
	}
	return d.kept
}

// readBounded reads a body to its end, or says why it is not whole.
func readBounded(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxBody+1))
	if err != nil {
		return body, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > maxBody {
		return body[:maxBody], errTooLong
	}
	return body, nil
}

var errTooLong = fmt.Errorf("reading the answer: it is longer than %d bytes", maxBody)

// noAnswer makes an error of a request to which no answer came.
func (d *Driver) noAnswer(c call, hidden secrets, landed bool, err error) *drivers.Error {
	kind := drivers.Transient
	if landed {
		kind = c.ambiguous()
	}
	err = unwrapOp(err)
	what, mend := "the site did not answer", "check that it is up and reachable from here"
	reason := drivers.ReasonUnreachable
	switch {
	case isCertificate(err):
		reason = drivers.ReasonCertificate
		what, mend = "the TLS handshake failed over a certificate", "check spec.tls of the Datacenter and the dates of both certificates"
	case !landed:
		what = "the site cannot be reached"
	case errors.Is(err, context.DeadlineExceeded):
		what = "the site did not answer in time"
	}
	if kind == drivers.Unknown {
		what += ", and the request may have landed"
		mend = "the site is asked with Find before anything else is done"
	}
	return d.fail(c, kind, reason, what, mend, hidden.cause(err))
}

// unwrapOp takes off the wrapping that only repeats the address.
func unwrapOp(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return op
	}
	return err
}

// fail makes an error of the contract. Its message is what happened, to what, why, and what to do.
func (d *Driver) fail(c call, kind drivers.Kind, reason, what, mend string, err error) *drivers.Error {
	message := fmt.Sprintf("datacenter %s: %s: %s", d.config.Name, c.doing, what)
	if mend != "" {
		message += "; " + mend
	}
	return &drivers.Error{Kind: kind, Reason: reason, Message: message, Err: err}
}

// after gives an error with the time after which the site wants to be asked again.
func after(e *drivers.Error, wait time.Duration) *drivers.Error {
	e.RetryAfter = wait
	return e
}
