package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	// AnnotationWave on an Operation names the wave that it was made in.
	AnnotationWave = v1alpha1.AnnotationWave
	// AnnotationRevision on an Operation names the revision that it was made for.
	AnnotationRevision = "stargate.io/revision"

	// nameLimit is how long an object's name may be.
	nameLimit = 253
	// defaultTTL of an Operation that a rollout made: a week.
	defaultTTL = int32(7 * 24 * 60 * 60)
)

// operationName is "<server>-<8 hex digits of group and server>-<revision>-<how many were made>": never
// the same twice, and the same for whoever carries this decision out.
func (p *plan) operationName(server *v1alpha1.Server) string {
	sum := sha256.Sum256([]byte(string(p.s.Group.UID) + "\n" + string(server.UID)))
	suffix := fmt.Sprintf("-%s-%d-%d", hex.EncodeToString(sum[:4]), p.revision().Number, p.revision().Made)
	name := server.Name
	if room := nameLimit - len(suffix); len(name) > room {
		name = strings.TrimRight(name[:room], "-.")
	}
	return name + suffix
}

// byRollout tells whether an Operation of that name is one that a rollout made, of whatever group.
func byRollout(operation string) bool {
	parts := strings.Split(operation, "-")
	if len(parts) < 4 {
		return false
	}
	hash, numbers := parts[len(parts)-3], parts[len(parts)-2:]
	return len(hash) == 8 && strings.Trim(hash, "0123456789abcdef") == "" &&
		strings.Trim(numbers[0], "0123456789") == "" && strings.Trim(numbers[1], "0123456789") == "" && numbers[0] != "" && numbers[1] != ""
}

// makeOperations makes what status.inFlight holds and nobody has seen yet. While something keeps the
// group from starting, what a crash left unmade stays so.
func (p *plan) makeOperations() {
	if len(p.stays) > 0 {
		return
	}
	for i := range p.next.InFlight {
		slot := &p.next.InFlight[i]
		if slot.Made || slot.Revision != p.revision().Number || p.s.Operations[slot.Operation] != nil {
			continue
		}
		if at := p.find(slot.Server); at >= 0 && string(p.members[at].server.UID) == slot.UID {
			p.decision.Create = append(p.decision.Create, p.operation(slot, &p.members[at]))
		}
	}
}

// operation of a slot. It says what it was made for, so that it ends without a deed where that is no
// longer so.
func (p *plan) operation(slot *v1alpha1.InFlightServer, m *member) *v1alpha1.Operation {
	group, template := p.s.Group, &p.rollout().Operations
	ttl := template.TTLSecondsAfterFinished
	if ttl == nil {
		week := defaultTTL
		ttl = &week
	}
	op := &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{
			Name: slot.Operation, Namespace: group.Namespace,
			Labels: map[string]string{v1alpha1.LabelGroup: group.Name},
			Annotations: map[string]string{
				AnnotationRevision: p.revision().Name,
				AnnotationWave:     p.waves[m.wave].status.Name,
			},
		},
		Spec: v1alpha1.OperationSpec{
			ServerRef:              v1alpha1.ServerReference{Name: slot.Server, UID: slot.UID},
			ProvisioningProfileRef: &v1alpha1.LocalReference{Name: p.revision().Profile},
			Operation:              v1alpha1.ActionRepave, OnlyIfNeeded: true,
			Expected: &v1alpha1.Expected{ProfileHash: slot.ProfileHash, LastOperation: slot.LastOperation},
			Priority: template.Priority, Timeout: template.Timeout, Retries: template.Retries, TTLSecondsAfterFinished: ttl,
		},
	}
	if p.s.FleetName != "" {
		op.Labels[v1alpha1.LabelFleet] = p.s.FleetName
	}
	for _, stamp := range []string{v1alpha1.AnnotationCommit, v1alpha1.AnnotationAuthor, v1alpha1.AnnotationSignedBy} {
		if value := group.Annotations[stamp]; value != "" {
			op.Annotations[stamp] = value
		}
	}
	return op
}
