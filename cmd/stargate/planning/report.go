package planning

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// Report is what `stargate plan -o json` prints: fields are added, never changed.
type Report struct {
	render.Header
	// Fleet by name, and the revision that was read.
	Fleet    string `json:"fleet"`
	Revision string `json:"revision"`
	Commit   string `json:"commit,omitempty"`
	Author   string `json:"author,omitempty"`
	Subject  string `json:"subject,omitempty"`
	// Files that were read, or differ where a range was.
	Files int `json:"files"`
	// At is when the plan begins, and LiveAt when what lives was looked at.
	At     time.Time `json:"at"`
	LiveAt time.Time `json:"liveAt"`
	// Differs: something would be sent or pruned, or a machine repaved.
	Differs bool `json:"differs"`
	// Notes on what could not be told, or was assumed.
	Notes []string `json:"notes,omitempty"`

	Objects Objects  `json:"objects"`
	Repaves []Repave `json:"repaves"`
	Guard   Guard    `json:"guard"`
	// Groups whose servers would be repaved, or are passed by.
	Groups []Group `json:"groups"`
	// Hooks that run for some of the repaves, once each is admitted. How long they take is not foreseen.
	Hooks   []Hook  `json:"hooks,omitempty"`
	Summary Summary `json:"summary"`
}

// Objects that the commit changes.
type Objects struct {
	Added   []Object `json:"added"`
	Changed []Object `json:"changed"`
	Pruned  []Object `json:"pruned"`
	// Waiting to be pruned until an Operation ends, and Left: not in the commit, and never pruned.
	Waiting []Object `json:"waiting,omitempty"`
	Left    []Object `json:"left,omitempty"`
	// Refused: they are of another fleet, so that nothing of the commit would be applied.
	Refused   []Object `json:"refused,omitempty"`
	Unchanged int      `json:"unchanged"`
}

// Object that is added, changed or pruned.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Source is where it stands, as "file:line".
	Source string `json:"source,omitempty"`
	// Cause of a change: Content, or Drift where somebody changed it by hand and it is put back.
	Cause  string  `json:"cause,omitempty"`
	Fields []Field `json:"fields,omitempty"`
	// Reason why it waits, is left or refused.
	Reason string `json:"reason,omitempty"`
}

// title is how people name it: "Server/dc-west/server-001".
func (o Object) title() string {
	if o.Namespace == "" {
		return o.Kind + "/" + o.Name
	}
	return o.Kind + "/" + o.Namespace + "/" + o.Name
}

// Field that differs.
type Field struct {
	Path string `json:"path"`
	Old  string `json:"old"`
	New  string `json:"new"`
	// Diff of a document, in unified form; Old and New then tell how long it is.
	Diff string `json:"diff,omitempty"`
}

// Hook that runs for some of the repaves.
type Hook struct {
	Name string `json:"name"`
	When string `json:"when"`
}

// Repave of servers of one group for one reason.
type Repave struct {
	Namespace string   `json:"namespace"`
	Group     string   `json:"group"`
	Profile   string   `json:"profile"`
	Servers   []string `json:"servers"`
	Why       []Field  `json:"why"`
}

// Guard is what it would say.
type Guard struct {
	Allowed    bool   `json:"allowed"`
	Repaves    int    `json:"repaves"`
	MaxRepaves int    `json:"maxRepaves"`
	Deletes    int    `json:"deletes"`
	MaxDeletes int    `json:"maxDeletes"`
	Message    string `json:"message,omitempty"`
}

// Group whose rollout does something.
type Group struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Profile   string `json:"profile"`
	// Servers that it selects, and Unchanged ones, which have what they should have.
	Servers   int       `json:"servers"`
	Unchanged int       `json:"unchanged"`
	Skipped   []Skipped `json:"skipped,omitempty"`
	Waves     []Wave    `json:"waves,omitempty"`
	// Denied servers: policies of the commit, or that live, end their Operations for good.
	Denied []Denied `json:"denied,omitempty"`
	// Complete: it is through within the horizon; otherwise Holds say what keeps it.
	Complete bool            `json:"complete"`
	Holds    []v1alpha1.Hold `json:"holds,omitempty"`
	// ApprovalsAssumed are taken to be given at once: of waves by name, "guard" for the guard's.
	ApprovalsAssumed []string `json:"approvalsAssumed,omitempty"`
	Worst            Moment   `json:"worst"`
}

// Skipped is a server that a rollout passes by.
type Skipped struct {
	Server  string `json:"server"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Denied is a server whose Operation a rule ends.
type Denied struct {
	Server string `json:"server"`
	Wave   string `json:"wave,omitempty"`
	// Source as "Policy/pin-db", and Rule of it.
	Source  string `json:"source"`
	Rule    string `json:"rule,omitempty"`
	Message string `json:"message"`
}

// Wave of a group.
type Wave struct {
	Name string `json:"name"`
	// Servers in the order in which they start, and Starts when each does.
	Servers []string    `json:"servers"`
	Starts  []time.Time `json:"starts"`
	// EarliestStart, LikelyDone and LateDone (nine in ten); absent for never within the horizon.
	EarliestStart *time.Time `json:"earliestStart,omitempty"`
	LikelyDone    *time.Time `json:"likelyDone,omitempty"`
	LateDone      *time.Time `json:"lateDone,omitempty"`
	// AtOnce is how many run at the same time, at most.
	AtOnce           int             `json:"atOnce"`
	HeldBy           []v1alpha1.Hold `json:"heldBy,omitempty"`
	ApprovalRequired bool            `json:"approvalRequired,omitempty"`
}

// Moment with the fewest servers up.
type Moment struct {
	At    time.Time `json:"at"`
	Up    int       `json:"up"`
	Of    int       `json:"of"`
	Floor int       `json:"floor"`
}

// Summary in numbers.
type Summary struct {
	Repaves   int `json:"repaves"`
	Denied    int `json:"denied"`
	Skipped   int `json:"skipped"`
	Unchanged int `json:"unchanged"`
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Pruned    int `json:"pruned"`
	// Worst moment of all groups that start something.
	Worst Moment `json:"worst"`
	// Complete: every rollout of the plan is through within the horizon.
	Complete bool `json:"complete"`
	// End of the last Operation, likely and late.
	End     *time.Time `json:"end,omitempty"`
	LateEnd *time.Time `json:"lateEnd,omitempty"`
	// PastRepaves that the times rest on; with none they are assumptions.
	PastRepaves int `json:"pastRepaves"`
}
