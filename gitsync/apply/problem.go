package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/gitsync/tree"
)

// Problem of one object.
type Problem struct {
	// Problem with file and line, what is wrong and what to do about it.
	tree.Problem
	// Key of the object; empty where it is none's in particular.
	Key tree.Key
	// Refused by the API server, so that trying again changes nothing. Otherwise it may pass.
	Refused bool
	// Err that was met; nil for what was never sent.
	Err error

	down bool // the API server does not answer
}

// Error with all that a person needs.
func (p *Problem) Error() string {
	text := p.Object
	if p.File != "" {
		text = p.Place.String() + ": " + text
	}
	if p.Field != "" {
		text += ": " + p.Field
	}
	text = strings.TrimPrefix(text+": "+p.Message, ": ")
	if p.Mend != "" {
		text += "; " + p.Mend
	}
	return text
}

// Unwrap gives the error that was met.
func (p *Problem) Unwrap() error { return p.Err }

// Failure of an apply: the problems of all objects that were tried.
type Failure struct{ Problems []Problem }

// Error names the first problem, and how many more there are.
func (f *Failure) Error() string {
	if len(f.Problems) == 0 {
		return "applying failed"
	}
	text := "applying " + f.Problems[0].Error()
	if more := len(f.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// Unwrap gives all problems.
func (f *Failure) Unwrap() []error {
	all := make([]error, len(f.Problems))
	for i := range f.Problems {
		all[i] = &f.Problems[i]
	}
	return all
}

// Refused tells whether the API server refused something: trying again changes nothing until somebody
// mends it. Otherwise all that failed may pass.
func (f *Failure) Refused() bool {
	return slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Refused })
}

func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), compareKeys(a.Key, b.Key))
	})
}

func refusedOf(refusals []Refusal) *Failure {
	f := &Failure{}
	for _, r := range refusals {
		f.Problems = append(f.Problems, Problem{Key: r.Key, Refused: true, Problem: tree.Problem{
			Place: r.Place, Object: titled(r.Key), Message: r.Message, Mend: r.Mend,
		}})
	}
	return f
}

func beingDeleted(c *Change) Problem {
	return Problem{Key: c.Key, Problem: tree.Problem{
		Place: c.Place, Object: titled(c.Key), Message: "the object of that name is being deleted",
		Mend: "it is applied anew once that is gone; kubectl get " + strings.ToLower(c.Kind.Kind) + " -o yaml shows which finalizers it waits for",
	}}
}

// stopped in mid-apply.
func stopped(err error) Problem {
	if err == nil {
		err = context.Canceled
	}
	return Problem{Err: err, Problem: tree.Problem{Message: "stopped before all objects were sent: " + err.Error(), Mend: "the rest is sent next time"}}
}

// problemsOf what a request met.
func problemsOf(key tree.Key, place tree.Place, err error) []Problem {
	again, _ := passing(err)
	p := Problem{Key: key, Err: err, Problem: tree.Problem{Place: place, Object: titled(key), Message: err.Error()}}
	var status apierrors.APIStatus
	switch known := errors.As(err, &status); {
	case again || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		p.down = !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err)
		p.Message, p.Mend = "the API server did not take it: "+err.Error(), "it is tried again"
		return []Problem{p}
	case apierrors.IsUnauthorized(err):
		p.down = true
		p.Mend = "give the controller credentials that the API server knows"
		return []Problem{p}
	case known && apierrors.IsInvalid(err) && anew(status.Status()):
		p.Message, p.Mend = "another made an object of that name anew meanwhile", "it is looked at again"
		return []Problem{p}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		p.Message = fmt.Sprintf("the namespace %s is being deleted", quoted(key.Namespace))
		p.Mend = "once it is gone, make it anew or remove from the repository what is in it"
		return []Problem{p}
	case meta.IsNoMatchError(err):
		p.Refused, p.Message, p.Mend = true, "the cluster does not know the kind "+key.Kind.String(), "install it: stargate install --apply"
		return []Problem{p}
	case known:
		p.Refused = true
		return refusal(p, status.Status())
	}
	p.Refused = true
	return []Problem{p}
}

// refusal by the API server, field by field where it says which.
func refusal(p Problem, status metav1.Status) []Problem {
	switch status.Reason {
	case metav1.StatusReasonNotFound:
		if status.Details != nil && status.Details.Kind == "namespaces" {
			p.Message = fmt.Sprintf("the namespace %s does not exist", quoted(p.Key.Namespace))
			p.Mend = "create it (kubectl create namespace " + p.Key.Namespace +
				"), or allow kind Namespace in spec.allowKinds of the fleet and add it to the repository"
			return []Problem{p}
		}
		p.Mend = "install Stargate's kinds: stargate install --apply"
	case metav1.StatusReasonForbidden:
		p.Mend = "give the controller that right (stargate install prints its roles), or mend what the policy named there refuses"
	default:
		p.Mend = "correct it and commit again"
	}
	if p.Key.Kind.Kind == "Secret" {
		// The API server quotes what it refuses.
		p.Message, p.Err = "the API server refuses it ("+string(status.Reason)+"); what it says may quote the Secret, and is not shown", nil
	}
	if status.Details == nil || len(status.Details.Causes) == 0 || status.Reason != metav1.StatusReasonInvalid {
		return []Problem{p}
	}
	return byField(p, status.Details.Causes)
}

// byField makes of a refusal one for each field that it names.
func byField(p Problem, causes []metav1.StatusCause) []Problem {
	all := make([]Problem, 0, len(causes))
	for _, cause := range causes {
		one := p
		one.Field = cause.Field
		if p.Key.Kind.Kind != "Secret" {
			one.Message = cause.Message
		}
		if strings.Contains(strings.ToLower(cause.Message), "immutable") {
			one.Mend = "it cannot change: put it back, or give the object another name"
		}
		all = append(all, one)
	}
	return all
}

// anew tells whether the object is another than the one that was to be changed.
func anew(status metav1.Status) bool {
	return status.Details != nil && slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == "metadata.uid"
	})
}

// passing tells whether the same request may succeed later, and after how many seconds the API server
// wants it again, where it says so.
func passing(err error) (again bool, after int) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false, 0
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return !meta.IsNoMatchError(err), 0 // nothing was answered
	}
	after, _ = apierrors.SuggestsClientDelay(err)
	code := status.Status().Code
	return code >= 500 || code == 409 || code == 429 || code == 408, after
}

// titled is an object as people call it.
func titled(key tree.Key) string {
	if key.Name == "" {
		return ""
	}
	return key.String()
}
