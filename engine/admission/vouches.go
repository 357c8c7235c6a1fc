package admission

import (
	"strings"
	"time"
)

// Vouches says what may be believed of an Operation, since the API server sees to it.
type Vouches struct {
	// Requester: who asked for it, and of which groups that one is.
	Requester bool
	// Source: which rollout and commit it is of.
	Source bool
	// Approvals: who approved it, and that none of them asked for it.
	Approvals bool
	// Overrides: that who overrides rules for it may.
	Overrides bool
	// Since when: what an Operation said when it was made before is not vouched for. See Of.
	Since time.Time
	// Why not all of it; empty where all of it is.
	Why string
}

// Of gives what is vouched for of an object that was made at a time: nothing where the guards are
// younger. Times of the API server are whole seconds.
func (v Vouches) Of(made time.Time) Vouches {
	if made.Before(v.Since.Truncate(time.Second)) {
		return Vouches{Since: v.Since, Why: "it was made before the admission policies were as they are, since " + v.Since.UTC().Format(time.RFC3339) + ": make it anew"}
	}
	return v
}

// VouchesOf guards. Where the cluster cannot stamp, what a ValidatingAdmissionPolicy alone keeps is kept:
// an annotation that nobody but the engine writes, or that says who wrote it.
func VouchesOf(guards []Guard) Vouches {
	by := map[string]*Guard{}
	for i := range guards {
		by[guards[i].Name] = &guards[i]
	}
	var v Vouches
	var lost []string
	validates := func(name string) bool {
		guard := by[name]
		if guard == nil || !guard.validates {
			return false
		}
		if guard.Since.After(v.Since) {
			v.Since = guard.Since
		}
		return true
	}
	v.Requester = validates(Requester) && by[Requester].stamps
	v.Source = validates(OperationSource) && validates(Source)
	v.Approvals = v.Requester && validates(OperationApproval)
	v.Overrides = validates(Override)
	for _, each := range []struct {
		kept  bool
		guard string
	}{{v.Requester, Requester}, {v.Source, OperationSource}, {v.Approvals, OperationApproval}, {v.Overrides, Override}} {
		if !each.kept {
			lost = append(lost, keeps[each.guard])
		}
	}
	if len(lost) > 0 {
		v.Why = "the admission policies do not see to it that " + strings.Join(lost, ", that ") + ": see stargate check"
	}
	return v
}
