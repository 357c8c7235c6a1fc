package rules

import "time"

// Facts are everything that a rule may know about one Operation. They are values: nothing in here
// changes while a rule is evaluated. The names that rules use are the cel tags.
type Facts struct {
	Operation  Operation  `cel:"operation"`
	Server     Server     `cel:"server"`
	Profile    Profile    `cel:"profile"`
	Group      Group      `cel:"group"`
	Datacenter Datacenter `cel:"datacenter"`
	Requester  Requester  `cel:"requester"`
	Source     Origin     `cel:"source"`
	// Now is the time of the judgement.
	Now time.Time `cel:"now"`
}

// Operation that is judged.
type Operation struct {
	Name      string `cel:"name"`
	Namespace string `cel:"namespace"`
	UID       string `cel:"uid"`
	// Action is repave, reboot, powerOn, powerOff or inspect.
	Action   string            `cel:"action"`
	Priority int64             `cel:"priority"`
	Created  time.Time         `cel:"created"`
	Labels   map[string]string `cel:"labels"`
	// AdHoc: somebody made it by hand; no rollout did.
	AdHoc bool `cel:"adHoc"`
	// Disruptive: the server is not available while it runs.
	Disruptive bool `cel:"disruptive"`
	// Failures are the attempts of this Operation that failed so far.
	Failures int64 `cel:"failures"`
	// ExpectedDuration of it, from past runs of the kind or an assumption.
	ExpectedDuration time.Duration `cel:"expectedDuration"`
	// Approvals are the users who approved it, each once, without whoever asked for it.
	Approvals []string `cel:"approvals"`
}

// Server that the Operation is for.
type Server struct {
	Name      string            `cel:"name"`
	Namespace string            `cel:"namespace"`
	UID       string            `cel:"uid"`
	Labels    map[string]string `cel:"labels"`
	// State as in status.state: "", provisioning, ready, rebooting, off, error, unreachable.
	State string `cel:"state"`
	// OS that it was last given, and by which Profile; empty where that is not known.
	OS      string `cel:"os"`
	Profile string `cel:"profile"`
	// LastRepaved is when it was last given an OS; zero (1970) for never.
	LastRepaved time.Time `cel:"lastRepaved"`
	// Touched: something was done to it through Stargate, or it was adopted.
	Touched     bool              `cel:"touched"`
	Paused      bool              `cel:"paused"`
	Maintenance bool              `cel:"maintenance"`
	Quarantined bool              `cel:"quarantined"`
	Power       string            `cel:"power"`
	NodeName    string            `cel:"nodeName"`
	MAC         string            `cel:"mac"`
	IPv4        string            `cel:"ipv4"`
	SKU         string            `cel:"sku"`
	Location    string            `cel:"location"`
	Hardware    map[string]string `cel:"hardware"`
}

// Profile that the Operation puts on the server; all of it empty where it puts none.
type Profile struct {
	Name      string            `cel:"name"`
	OSVersion string            `cel:"osVersion"`
	OSImage   string            `cel:"osImage"`
	Checksum  string            `cel:"checksum"`
	Hash      string            `cel:"hash"`
	Labels    map[string]string `cel:"labels"`
}

// Group that made the Operation, or, where it was made by hand, that selects the server; all of it
// empty where there is none.
type Group struct {
	Name   string            `cel:"name"`
	Labels map[string]string `cel:"labels"`
	// Wave of the rollout that the Operation belongs to; empty for one made by hand.
	Wave string `cel:"wave"`
}

// Datacenter that reaches the server.
type Datacenter struct {
	Name      string            `cel:"name"`
	Namespace string            `cel:"namespace"`
	Driver    string            `cel:"driver"`
	Labels    map[string]string `cel:"labels"`
}

// Requester who created the Operation, as stamped at admission.
type Requester struct {
	Username string   `cel:"username"`
	Groups   []string `cel:"groups"`
	// Stamped: admission vouches for the rest. A rule that asks for what was not stamped holds.
	Stamped bool `cel:"-"`
}

// Origin is the commit that an Operation stems from; all of it empty for one made by hand.
type Origin struct {
	Fleet    string `cel:"fleet"`
	Commit   string `cel:"commit"`
	Author   string `cel:"author"`
	SignedBy string `cel:"signedBy"`
	// Stamped: admission vouches for the rest. A rule that asks for what was not stamped holds.
	Stamped bool `cel:"-"`
}
