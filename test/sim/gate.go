package sim

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
)

// admit mirrors engine/controllers/gate.go, with the real ledger.
func (p *process) admit(s *operation.Snapshot, limit int) operation.Verdict {
	verdict := p.ledger.Request(ask(s.Operation, s.Site.Name, limit), s.Now)
	p.wakeAll(verdict.Wake)
	return operation.Verdict{Admitted: verdict.Admitted, Denied: verdict.Denied, Holds: verdict.Holds, Until: verdict.Until, PolicyHash: verdict.PolicyHash}
}

func (p *process) occupy(op *v1alpha1.Operation, site string) {
	p.wakeAll(p.ledger.Occupy(ask(op, site, 0), p.world.wall()))
}

func (p *process) release(uid types.UID) {
	p.wakeAll(p.ledger.Release(string(uid), p.world.wall()))
}

func (p *process) wakeAll(keys []ledger.Key) {
	for _, key := range keys {
		p.enqueue(item{operations, strings.TrimPrefix(string(key), namespace+"/")}, 0)
	}
}

func ask(op *v1alpha1.Operation, site string, limit int) ledger.Ask {
	return ledger.Ask{
		UID: string(op.UID), Key: ledger.Key(op.Namespace + "/" + op.Name),
		Server: ledger.Key(op.Namespace + "/" + op.Spec.ServerRef.Name),
		Site:   ledger.Key(op.Namespace + "/" + site), Limit: limit,
		Priority: op.Spec.Priority, Created: op.CreationTimestamp.Time,
		Action: string(op.Spec.Operation), Disrupts: ledger.Disrupts(op.Spec.Operation), Begun: underway(op) || operation.HooksBegun(&op.Status),
	}
}

func underway(op *v1alpha1.Operation) bool {
	if op.Status.Phase.Terminal() || len(op.Status.Attempts) == 0 {
		return false
	}
	if operation.StageOf(&op.Status) != operation.StageWaiting {
		return true
	}
	for i := range op.Status.Attempts {
		if op.Status.Attempts[i].Outcome != v1alpha1.AttemptWithdrawn {
			return true
		}
	}
	return false
}

// countOnce mirrors rebuild.once: what is under way is counted from the API server itself.
func (p *process) countOnce() {
	if p.rebuilt {
		return
	}
	var active []ledger.Ask
	for _, name := range p.world.api.names(operations) {
		if op := p.world.api.get(operations, name).(*v1alpha1.Operation); underway(op) || (!op.Status.Phase.Terminal() && operation.HooksBegun(&op.Status)) {
			active = append(active, ask(op, op.Status.DecidedOn.Datacenter, 0))
		}
	}
	p.ledger.Rebuild(active)
	p.rebuilt = true
	for _, each := range active {
		_, name, _ := strings.Cut(string(each.Key), "/")
		if _, ok := p.known[name]; !ok {
			p.known[name] = seen{uid: types.UID(each.UID), counted: true}
		}
		p.enqueue(item{operations, name}, 0)
	}
}
