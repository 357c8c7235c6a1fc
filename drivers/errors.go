package drivers

import (
	"errors"
	"fmt"
	"time"
)

// Kind of a driver's error: the caller decides on nothing else.
type Kind string

const (
	// Transient: nothing landed at the site; the same call may be made again.
	Transient Kind = "Transient"
	// Rejected: the site answered no, and will again until something is changed.
	Rejected Kind = "Rejected"
	// NotFound: the site answered that it does not know what was asked for.
	NotFound Kind = "NotFound"
	// Unknown: the request may have landed. Never read as a failure.
	Unknown Kind = "Unknown"
)

// Reasons that callers tell apart within a kind.
const (
	// ReasonIdentityMismatch (Rejected): the machine at the site is not the one that was meant.
	ReasonIdentityMismatch = "IdentityMismatch"
	// ReasonVoided (Rejected): the request ID was voided by a Cancel.
	ReasonVoided = "RequestVoided"
	// ReasonUnsupported (Rejected): the site cannot do this.
	ReasonUnsupported = "Unsupported"
	// ReasonBusy (Transient): the site has too much to do, or another job on that machine.
	ReasonBusy = "Busy"
	// ReasonUnauthorized (Transient): the site did not accept the credentials; mended in the Secret.
	ReasonUnauthorized = "Unauthorized"
	// ReasonCertificate (Transient): the site's certificate was not accepted.
	ReasonCertificate = "CertificateInvalid"
	// ReasonUnreachable (Transient or Unknown): no answer.
	ReasonUnreachable = "Unreachable"
	// ReasonGarbage (Unknown for Start, Transient for reads): the answer is not of the protocol.
	ReasonGarbage = "InvalidResponse"
	// ReasonRedirect: the site answered with a redirect, which is never followed.
	ReasonRedirect = "RedirectRefused"
	// ReasonCredentials (Transient): the Secret is missing or lacks a key.
	ReasonCredentials = "CredentialsMissing"
)

// Error is the only error that a Driver returns. Its message names the site and the mend and never
// carries a secret.
type Error struct {
	Kind   Kind
	Reason string
	// RetryAfter is when a Transient error is worth another try; zero when the site did not say.
	RetryAfter time.Duration
	// Message says what happened, to what, why, and what to do.
	Message string
	// Err is the cause; may be nil.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Err)
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf tells the kind of an error from a Driver. What is not an *Error is Unknown, because
// nothing can be said of whether it landed.
func KindOf(err error) Kind {
	var driverError *Error
	if errors.As(err, &driverError) {
		return driverError.Kind
	}
	return Unknown
}

// ReasonOf tells the reason of an error from a Driver, "" when it has none.
func ReasonOf(err error) string {
	var driverError *Error
	if errors.As(err, &driverError) {
		return driverError.Reason
	}
	return ""
}
