package dcapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi/wire"
)

// Reasons of this driver beside those of the contract.
const (
	// ReasonSiteError (Unknown for a POST, Transient for a GET): the site answered with an error of its own.
	ReasonSiteError = "SiteError"
	// ReasonRequestReused (Rejected): the request ID has made a job from another content; Find gives it.
	ReasonRequestReused = "RequestReused"
	// ReasonVersionChanged (Transient): the site does not know a call of the version that it spoke before.
	ReasonVersionChanged = "VersionChanged"
)

// maxRetryAfter bounds what a site may ask for.
const maxRetryAfter = time.Hour

// verdict gives the error that an answer amounts to, nil for one of 200 to 299.
func (d *Driver) verdict(c call, a answer) *drivers.Error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	said := wire.Error{}
	if json.Unmarshal(a.body, &said) != nil {
		said = wire.Error{}
	}
	what := fmt.Sprintf("the site answered %d %s", a.status, http.StatusText(a.status)) + a.said(said)
	if wait, later := a.comeBack(said); later {
		return after(d.fail(c, drivers.Transient, drivers.ReasonBusy, what, "it will be asked again", nil), wait)
	}
	switch {
	case a.status >= 300 && a.status < 400:
		return d.fail(c, c.ambiguous(), drivers.ReasonRedirect, what+", a redirect, which is not followed",
			"set the endpoint of the Datacenter to the site's own address", nil)
	case a.status >= 500, a.status < 200, a.status == http.StatusRequestTimeout:
		return d.fail(c, c.ambiguous(), ReasonSiteError, what, "look into the site's own log", nil)
	}
	return d.refusal(c, a.status, said.Code, what)
}

// comeBack tells whether the site says that it accepted nothing now, and may later.
func (a answer) comeBack(said wire.Error) (time.Duration, bool) {
	wait, asked := retryAfter(a.header, time.Now())
	switch a.status {
	case http.StatusTooManyRequests:
		return wait, true
	case http.StatusServiceUnavailable:
		return wait, asked
	case http.StatusConflict:
		return wait, said.Code == wire.CodeServerBusy
	}
	return 0, false
}

// refusal gives the error for an answer of 400 to 499, which says that nothing landed.
func (d *Driver) refusal(c call, status int, code wire.ErrorCode, what string) *drivers.Error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return d.fail(c, drivers.Transient, drivers.ReasonUnauthorized, what, "check the Secret that the Datacenter refers to", nil)
	case status == http.StatusNotFound && code == wire.CodeJobNotFound:
		return d.fail(c, drivers.NotFound, "", what, "", nil)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		// At version 2 this is no answer to any call; who asked looks into it.
		return d.fail(c, drivers.NotFound, ReasonVersionChanged, what, "check the endpoint of the Datacenter", nil)
	}
	return d.fail(c, drivers.Rejected, rejection(status, code), what, mendOf(code), nil)
}

func rejection(status int, code wire.ErrorCode) string {
	switch {
	case code == wire.CodeIdentityMismatch:
		return drivers.ReasonIdentityMismatch
	case code == wire.CodeRequestVoided:
		return drivers.ReasonVoided
	case code == wire.CodeUnsupported:
		return drivers.ReasonUnsupported
	case code == wire.CodeKeyReused, status == http.StatusUnprocessableEntity:
		return ReasonRequestReused
	}
	return ""
}

func mendOf(code wire.ErrorCode) string {
	switch code {
	case wire.CodeIdentityMismatch:
		return "compare MAC, BMC and UID of the Server with the machine before anything else"
	case wire.CodeKeyReused:
		return "ask Find for the job that this request ID made"
	default:
		return ""
	}
}

// said quotes what the site gives as its reason.
func (a answer) said(said wire.Error) string {
	switch {
	case said.Message != "" && said.Code != "":
		return fmt.Sprintf(" (%s: %s)", a.secrets.scrub(string(said.Code), 40), a.secrets.quote(said.Message))
	case said.Message != "":
		return fmt.Sprintf(" (%s)", a.secrets.quote(said.Message))
	case len(bytes.TrimSpace(a.body)) > 0:
		return fmt.Sprintf(" (%s)", a.secrets.quote(string(a.body)))
	}
	return ""
}

// retryAfter reads the header of that name, in either of its forms, and tells whether there was one.
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}

// read decodes an answer of 200 to 299. lenient takes the content types that version 1 sites are known to send.
// Errors: it is not whole, not JSON, or not JSON alone; then nothing can be said of what was done.
func (a answer) read(into any, lenient bool) error {
	if a.bodyErr != nil {
		return a.secrets.cause(a.bodyErr)
	}
	if a.status != http.StatusOK && a.status != http.StatusAccepted && a.status != http.StatusCreated {
		return fmt.Errorf("reading the answer: status %d is not of the protocol", a.status)
	}
	if err := checkContentType(a.header.Get("Content-Type"), lenient); err != nil {
		return a.secrets.cause(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	if err := decoder.Decode(into); err != nil {
		return a.secrets.cause(fmt.Errorf("reading the answer: %w", err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading the answer: something follows the JSON document")
	}
	return nil
}

func checkContentType(header string, lenient bool) error {
	mediaType, _, err := mime.ParseMediaType(header)
	switch {
	case err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")):
		return nil
	case lenient && (header == "" || err == nil && mediaType == "text/plain"):
		return nil
	case mediaType == "text/html":
		return errors.New("reading the answer: it is HTML, so something between here and the site answered in its place")
	}
	return fmt.Errorf("reading the answer: its content type is %s, not application/json", strconv.Quote(clean(header, 60)))
}

// garbage is the error for a 2xx answer that is not of the protocol.
func (d *Driver) garbage(c call, err error) *drivers.Error {
	mend := "check that the endpoint is the site's DC API and not a proxy or a sign-in page"
	if c.post {
		mend = "the request may have landed: the site is asked with Find before anything else is done"
	}
	return d.fail(c, c.ambiguous(), drivers.ReasonGarbage, "the answer is not of the DC API", mend, err)
}
