package ledger

import (
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/policies/rules"
)

// Subject is what the Facts about an Operation are made from.
type Subject struct {
	// Operation that is judged; never nil.
	Operation *v1alpha1.Operation
	// Server that it is for, Profile that it puts there, Group that made it or, where it was made by
	// hand, selects the server, and Datacenter that reaches that. Each nil where there is none.
	Server     *v1alpha1.Server
	Profile    *v1alpha1.ProvisioningProfile
	Group      *v1alpha1.ServerGroup
	Datacenter *v1alpha1.Datacenter
	// ProfileHash over what the profile puts on the server.
	ProfileHash string
	// Expected is how long it is likely to take.
	Expected time.Duration
	// Requester, Source and Approvals: admission vouches for who asked for it, for the commit, and for who
	// approved it. Nothing that it does not vouch for is believed.
	Requester, Source, Approvals bool
	Now                          time.Time
}

// FactsOf gives the shape that rules are asked about.
func FactsOf(s *Subject) *rules.Facts {
	facts := &rules.Facts{Operation: operationFacts(s), Requester: requesterFacts(s), Source: sourceFacts(s), Now: s.Now}
	facts.Datacenter.Namespace = s.Operation.Namespace
	facts.Server.Name, facts.Server.Namespace = s.Operation.Spec.ServerRef.Name, s.Operation.Namespace
	if s.Server != nil {
		facts.Server = serverFacts(s.Server, string(s.Operation.UID))
	}
	if profile := s.Profile; profile != nil {
		facts.Profile = rules.Profile{Name: profile.Name, OSVersion: profile.Spec.OSVersion, OSImage: profile.Spec.OSImage,
			Checksum: profile.Spec.OSImageChecksum, Hash: s.ProfileHash, Labels: profile.Labels}
	} else if ref := s.Operation.Spec.ProvisioningProfileRef; ref != nil {
		facts.Profile.Name = ref.Name
	}
	if group := s.Group; group != nil {
		facts.Group = rules.Group{Name: group.Name, Labels: group.Labels}
	}
	if name := s.Operation.Labels[v1alpha1.LabelGroup]; name != "" {
		facts.Group.Name, facts.Group.Wave = name, s.Operation.Annotations[v1alpha1.AnnotationWave]
	}
	if dc := s.Datacenter; dc != nil {
		facts.Datacenter = rules.Datacenter{Name: dc.Name, Namespace: dc.Namespace, Driver: string(dc.Spec.Driver), Labels: dc.Labels}
	}
	return facts
}

func operationFacts(s *Subject) rules.Operation {
	op := s.Operation
	var approvals []string
	if s.Approvals {
		approvals = ApprovalsOf(op)
	}
	return rules.Operation{
		Name: op.Name, Namespace: op.Namespace, UID: string(op.UID), Action: string(op.Spec.Operation), Priority: int64(op.Spec.Priority),
		Created: op.CreationTimestamp.Time, Labels: op.Labels, AdHoc: op.Labels[v1alpha1.LabelGroup] == "",
		Disruptive: Disrupts(op.Spec.Operation), Failures: failuresOf(op), ExpectedDuration: s.Expected, Approvals: approvals,
	}
}

// failuresOf counts the attempts of an Operation that failed.
func failuresOf(op *v1alpha1.Operation) int64 {
	failed := int64(0)
	for i := range op.Status.Attempts {
		switch op.Status.Attempts[i].Outcome {
		case v1alpha1.AttemptFailed, v1alpha1.AttemptTimedOut, v1alpha1.AttemptAbandoned, v1alpha1.AttemptRejected:
			failed++
		case v1alpha1.AttemptSucceeded, v1alpha1.AttemptCancelled, v1alpha1.AttemptWithdrawn:
		}
	}
	return failed
}

// ApprovalsOf lists who approved an Operation, each once, without whoever asked for it.
func ApprovalsOf(op *v1alpha1.Operation) []string {
	var users []string
	requester := op.Annotations[v1alpha1.AnnotationRequester]
	for _, user := range Lines(op.Annotations[v1alpha1.AnnotationApprovedBy]) {
		if user != requester && !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	return users
}

// Lines of an annotation that are not empty.
func Lines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// serverFacts tells of a server as it was before the judged Operation took it.
func serverFacts(server *v1alpha1.Server, uid string) rules.Server {
	status := &server.Status
	state := status.State
	if active := status.ActiveOperation; active != nil && active.UID == uid {
		state = active.PreviousState
	}
	facts := rules.Server{
		Name: server.Name, Namespace: server.Namespace, UID: string(server.UID), Labels: server.Labels, State: string(state),
		OS: status.CurrentOS, Touched: state != v1alpha1.ServerUntouched, Paused: server.Spec.Paused, Maintenance: server.Spec.Maintenance,
		Quarantined: status.Quarantine != nil, Power: status.Power, NodeName: status.NodeName, MAC: strings.ToLower(server.Spec.MAC),
		IPv4: server.Spec.IPv4, SKU: server.Spec.Inventory.SKU, Location: server.Spec.Inventory.Location, Hardware: status.Hardware,
		LastRepaved: time.Unix(0, 0).UTC(),
	}
	if applied := status.Applied; applied != nil {
		facts.Profile = applied.Profile
		if applied.Operation != "" && !applied.At.IsZero() {
			facts.LastRepaved = applied.At.Time
		}
	}
	return facts
}

func requesterFacts(s *Subject) rules.Requester {
	annotations := s.Operation.Annotations
	requester := rules.Requester{Username: annotations[v1alpha1.AnnotationRequester], Groups: Lines(annotations[v1alpha1.AnnotationRequesterGroups])}
	requester.Stamped = s.Requester && requester.Username != ""
	return requester
}

// sourceFacts tells of the commit that an Operation stems from, which only a rollout makes Operations for.
func sourceFacts(s *Subject) rules.Origin {
	if s.Operation.Labels[v1alpha1.LabelGroup] == "" {
		return rules.Origin{Stamped: s.Source}
	}
	annotations := s.Operation.Annotations
	return rules.Origin{Fleet: s.Operation.Labels[v1alpha1.LabelFleet], Commit: annotations[v1alpha1.AnnotationCommit],
		Author: annotations[v1alpha1.AnnotationAuthor], SignedBy: annotations[v1alpha1.AnnotationSignedBy], Stamped: s.Source}
}
