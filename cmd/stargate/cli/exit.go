package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"

	"stargate.io/stargate/api/v1alpha1"
)

// The exit codes. Code 2 is that of commands that compare: exitDiffers.
const (
	exitFine     = 0
	exitFailed   = 1
	exitHeld     = 3
	exitTimedOut = 4
	exitUsage    = 64
)

// exitError ends the process with a code of its own. An empty message prints nothing: all was said.
type exitError struct {
	code    int
	message string
	err     error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return e.message
	}
	return fmt.Sprintf("%s: %v", e.message, e.err)
}

func (e *exitError) Unwrap() error { return e.err }

// usagef is for what the person typed.
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, message: fmt.Sprintf(format, args...)}
}

// exitWith ends with a code when everything has been said already.
func exitWith(code int) error {
	if code == exitFine {
		return nil
	}
	return &exitError{code: code}
}

// codeOf tells with which code an error ends the process.
func codeOf(err error) int {
	var exit *exitError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err):
		return exitTimedOut
	}
	return exitFailed
}

// worst picks the code that a list of outcomes ends with: a failure says more than a time-out, and
// that more than a hold.
func worst(codes ...int) int {
	rank := map[int]int{exitFine: 0, exitHeld: 1, exitTimedOut: 2, exitFailed: 3}
	result := exitFine
	for _, code := range codes {
		if rank[code] > rank[result] {
			result = code
		}
	}
	return result
}

// explained turns what client-go says into what a person can act on.
func (a *App) explained(err error) error {
	var address *net.OpError
	var request *url.Error
	var exit *exitError
	switch {
	case err == nil, errors.As(err, &exit):
		return err
	case clientcmd.IsEmptyConfig(err):
		return fmt.Errorf("no cluster to talk to: there is no kubeconfig; set KUBECONFIG or --kubeconfig: %w", err)
	case noSuchKind(err):
		return fmt.Errorf("this cluster does not have Stargate's kinds; install them: %s install --apply: %w", a.name, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w; see what you may do: %s check", err, a.name)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server does not know you; check the credentials of this context: %w", err)
	case errors.As(err, &address), errors.As(err, &request):
		return fmt.Errorf("the API server cannot be reached; check --context, --kubeconfig and the network: %w", err)
	}
	return err
}

// noSuchKind tells a kind of ours that is not served from an object that is not there.
func noSuchKind(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Name == "" && (details.Group == v1alpha1.GroupVersion.Group || details.Group == "")
}

// asStatus tells whether the API server itself answered.
func asStatus(err error, status *apierrors.APIStatus) bool { return errors.As(err, status) }

// failf is for what cannot be done, and says why.
func failf(format string, args ...any) error {
	return &exitError{code: exitFailed, message: fmt.Sprintf(format, args...)}
}
