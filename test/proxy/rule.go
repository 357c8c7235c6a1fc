package proxy

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Rule says what is to happen to a call. It is asked for one call at a time, and must not wait.
type Rule func(Call) Action

// Action is what happens to one call, from top to bottom. The zero value lets it pass.
type Action struct {
	// Before is done before the server sees the call.
	Before func()
	// Drop closes the connection: the server never sees the call.
	Drop bool
	// Late closes the connection at once, and hands the call to the server after that time. The server
	// acts although the caller was told that the connection broke.
	Late time.Duration
	// Answer is given instead of the server's. With Act the server has acted nevertheless.
	Answer *Answer
	Act    bool
	// After is done once the server has acted, before the caller hears of it.
	After func()
	// Lose closes the connection instead of handing the reply on.
	Lose bool
	// Twice hands the call to the server again, and the first reply to the caller.
	Twice bool
}

// Answer in a server's place.
type Answer struct {
	Status int
	// RetryAfter in seconds; zero sends none.
	RetryAfter int
	// Reason as in metav1.Status, for example "Conflict".
	Reason string
}

// write gives the answer as an API server would.
func (a *Answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	w.WriteHeader(a.Status)
	// A caller that has gone is told nothing.
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"told to answer so","reason":%q,"code":%d}`, a.Reason, a.Status)
}

// AtWrite gives a rule that acts on the k-th write, and lets all else pass.
func AtWrite(k int, action Action) Rule {
	return func(call Call) Action {
		if call.Write && call.Nth == k {
			return action
		}
		return Action{}
	}
}

// AtCall gives a rule that acts on the k-th call, and lets all else pass.
func AtCall(k int, action Action) Rule {
	return func(call Call) Action {
		if call.N == k {
			return action
		}
		return Action{}
	}
}

// AtLike gives a rule that acts on the k-th call of a kind, by Call.String, and lets all else pass.
func AtLike(kind string, k int, action Action) Rule {
	return func(call Call) Action {
		if call.Like == k && call.String() == kind {
			return action
		}
		return Action{}
	}
}
