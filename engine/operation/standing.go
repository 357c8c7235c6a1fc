package operation

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// Standing is something about the objects themselves that an Operation must pass before the gate is
// asked for its place.
type Standing struct {
	// About what it is: "server", "profile", "datacenter", "rollout", "hooks", "back-off".
	About string
	// Hold that keeps the Operation waiting; nil where it passes.
	Hold *v1alpha1.Hold
}

// standing are asked in this order, and the first that holds decides.
var standing = []struct {
	about string
	hold  func(*Snapshot) (*v1alpha1.Hold, time.Time)
}{
	{"server", serverMissing},
	{"profile", profileProblem},
	{"datacenter", siteProblem},
	{"server", func(s *Snapshot) (*v1alpha1.Hold, time.Time) { return ServerHold(s.Server, s.Conflicts), time.Time{} }},
	{"rollout", rolloutHold},
	{"datacenter", func(s *Snapshot) (*v1alpha1.Hold, time.Time) { return SiteHold(s.Site), time.Time{} }},
	{"hooks", func(s *Snapshot) (*v1alpha1.Hold, time.Time) { return hookHold(s), time.Time{} }},
	{"last look", lastLook},
	{"back-off", backOff},
}

// Standings gives all that the objects themselves have an Operation pass, in the order in which it is
// asked, for somebody who wants to know the whole of it. Without a server nothing else can be asked.
func Standings(s *Snapshot) []Standing {
	var all []Standing
	for _, gate := range standing {
		hold, _ := gate.hold(s)
		all = append(all, Standing{About: gate.about, Hold: hold})
		if s.Server == nil {
			break
		}
	}
	return all
}

// Void gives why an Operation of which nothing has begun ends without a deed: it was cancelled, the
// server is another than the one that was meant, or what it was made for is not so any more. Empty where
// it does not.
func Void(s *Snapshot) (reason, message string) {
	if reason := s.stopWanted(); reason != "" {
		return reason, stopMessage(s, reason)
	}
	if reason, message = wrongServer(s); reason != "" {
		return reason, message
	}
	return void(s)
}

func serverMissing(s *Snapshot) (*v1alpha1.Hold, time.Time) {
	if s.Server != nil {
		return nil, time.Time{}
	}
	name := s.Operation.Spec.ServerRef.Name
	return &v1alpha1.Hold{
		Source: "Server/" + name, Reason: v1alpha1.ReasonServerNotFound,
		Message:    fmt.Sprintf("spec.serverRef.name: no Server %s in namespace %s; create it, or make an Operation with the right name", name, s.Operation.Namespace),
		ClearsWhen: "the Server is created within a minute of the Operation",
	}, time.Time{}
}

func profileProblem(s *Snapshot) (*v1alpha1.Hold, time.Time) {
	if s.Profile == nil || s.Profile.Problem == nil {
		return nil, time.Time{}
	}
	return s.Profile.Problem, s.recheck()
}

func siteProblem(s *Snapshot) (*v1alpha1.Hold, time.Time) {
	if s.Site.Problem == nil {
		return nil, time.Time{}
	}
	return s.Site.Problem, s.recheck()
}

// backOff waits between an attempt that failed and the next one.
func backOff(s *Snapshot) (*v1alpha1.Hold, time.Time) {
	until := retryAt(s)
	if !until.After(s.Now) {
		return nil, time.Time{}
	}
	attempt := s.Operation.Status.LastAttempt()
	at := metav1.NewTime(until)
	return &v1alpha1.Hold{
		Source: "Operation/" + s.Operation.Name, Reason: v1alpha1.ReasonBackOff,
		Message: fmt.Sprintf("attempt %d ended %s: %s; the next one is due at %s", attempt.Number, attempt.Outcome, attempt.Error, until.UTC().Format(time.TimeOnly)),
		Until:   &at,
	}, until
}

// HooksFor gives the hooks of one side that are about the Operation, in the order in which they run.
func HooksFor(s *Snapshot, when v1alpha1.HookWhen) []Hook { return s.matching(when) }
