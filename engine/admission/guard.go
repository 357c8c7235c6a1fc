package admission

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The guards, by the name that their objects share.
const (
	InUse             = "in-use.stargate.io"
	Requester         = "requester.stargate.io"
	Action            = "action.stargate.io"
	OperationSource   = "operation-source.stargate.io"
	Source            = "source.stargate.io"
	OperationApproval = "operation-approval.stargate.io"
	Approval          = "approval.stargate.io"
	Override          = "override.stargate.io"
	Epoch             = "epoch.stargate.io"
)

// keeps says what each guard sees to.
var keeps = map[string]string{
	InUse:             "what is in use does not vanish",
	Requester:         "an Operation says truly who asked for it",
	Action:            "repave, reboot and power, and to cancel them, are for those who have that verb on the server",
	OperationSource:   "an Operation says truly which rollout and commit it is of",
	Source:            "an object says truly which commit it is of",
	OperationApproval: "an Operation says truly who approved it, and who asked for it does not",
	Approval:          "a ServerGroup and a Fleet say truly who approved",
	Override:          "rules are overridden by those who have that verb on the server, and by name",
	Epoch:             "what a leader that has lost the lead still wants to begin is refused",
}

// Guard is what the API server should keep, and how it stands with that.
type Guard struct {
	Name string
	// Keeps says what is guarded, as in "an Operation says truly who asked for it".
	Keeps string
	// Missing and Differing name the objects that are not there, or are not as they should be.
	Missing, Differing []string
	// Since when the guard is as it is; zero where it is not in force.
	Since time.Time

	// validates, stamps: of the half the objects are all there and as they should be.
	validates, stamps bool
}

// InForce tells whether the guard is whole.
func (g *Guard) InForce() bool { return len(g.Missing)+len(g.Differing) == 0 }

// Judge compares the objects that should be there with those that are. Guards come in the order in
// which the first object of each is wanted.
func Judge(wanted, found []*unstructured.Unstructured) []Guard {
	there := map[string]*unstructured.Unstructured{}
	for _, object := range found {
		there[titleOf(object)] = object
	}
	var guards []Guard
	for _, object := range wanted {
		at := slices.IndexFunc(guards, func(g Guard) bool { return g.Name == object.GetName() })
		if at < 0 {
			guards = append(guards, Guard{Name: object.GetName(), Keeps: keeps[object.GetName()], validates: true, stamps: true})
			at = len(guards) - 1
		}
		guards[at].judge(object, there[titleOf(object)])
	}
	for i := range guards {
		if !guards[i].InForce() && !guards[i].validates {
			guards[i].Since = time.Time{}
		}
	}
	return guards
}

func (g *Guard) judge(wanted, found *unstructured.Unstructured) {
	switch {
	case found == nil || found.GetDeletionTimestamp() != nil:
		g.Missing = append(g.Missing, titleOf(wanted))
	case !same(wanted, found):
		g.Differing = append(g.Differing, titleOf(wanted))
	default:
		if since := writtenAt(found); since.After(g.Since) {
			g.Since = since
		}
		return
	}
	if strings.HasPrefix(wanted.GetKind(), "Mutating") {
		g.stamps = false
	} else {
		g.validates = false
	}
}

// titleOf an object, as in "ValidatingAdmissionPolicy requester.stargate.io".
func titleOf(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetName()
}

// writtenAt is when a request last changed the object: until then something else may have been in
// force. Status is nobody's request.
func writtenAt(object *unstructured.Unstructured) time.Time {
	at := object.GetCreationTimestamp().Time
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" && entry.Time != nil && entry.Time.After(at) {
			at = entry.Time.Time
		}
	}
	return at
}
