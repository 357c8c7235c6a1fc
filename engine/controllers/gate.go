package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/rules"
)

// Gate decides whether an Operation may start, and takes its place in the same step.
type Gate interface {
	// Admit evaluates and reserves. Asking again for an Operation that has its place asks the policies
	// again.
	Admit(op *v1alpha1.Operation, wish Wish) operation.Verdict
	// Occupy counts an Operation that was seen to run already.
	Occupy(op *v1alpha1.Operation, site string)
	// Release gives an Operation's place back, whatever way it ended.
	Release(uid types.UID)
}

// Wish is what a gate needs to know beside the Operation.
type Wish struct {
	// Site that takes it, and its Limit of Operations at once; zero for none.
	Site  string
	Limit int
	// Facts that policies judge by; nil where there are no policies.
	Facts *rules.Facts
	// Overrides of rules, by people who may.
	Overrides []string
	Now       time.Time
}

// ledgerGate asks the ledger: one Operation a server, the datacenter's limit, and the policies.
type ledgerGate struct {
	ledger  *ledger.Ledger
	clock   clock.PassiveClock
	sweeper *sweeper
	// tell what rules say of an Operation that they let pass.
	tell func(*v1alpha1.Operation, ledger.Notice)
}

// Admit implements Gate.
func (g *ledgerGate) Admit(op *v1alpha1.Operation, wish Wish) operation.Verdict {
	asked := ask(op, wish.Site, wish.Limit)
	asked.Facts, asked.Overrides = wish.Facts, wish.Overrides
	if holds := op.Status.Holds; len(holds) > 0 {
		asked.Named = ledger.Named{Source: holds[0].Source, Rule: holds[0].Rule}
	}
	verdict := g.ledger.Request(asked, wish.Now)
	g.sweeper.told(verdict.Wake)
	for _, notice := range verdict.Notices {
		g.tell(op, notice)
	}
	return operation.Verdict{Admitted: verdict.Admitted, Denied: verdict.Denied, Holds: verdict.Holds, Until: verdict.Until, PolicyHash: verdict.PolicyHash}
}

// Occupy implements Gate.
func (g *ledgerGate) Occupy(op *v1alpha1.Operation, site string) {
	g.sweeper.told(g.ledger.Occupy(ask(op, site, 0), g.clock.Now()))
}

// Release implements Gate.
func (g *ledgerGate) Release(uid types.UID) {
	g.sweeper.told(g.ledger.Release(string(uid), g.clock.Now()))
}

// ask is an Operation as the ledger sees it.
func ask(op *v1alpha1.Operation, site string, limit int) ledger.Ask {
	return ledger.Ask{
		UID: string(op.UID), Key: ledger.Key(op.Namespace + "/" + op.Name),
		Server: ledger.Key(op.Namespace + "/" + op.Spec.ServerRef.Name),
		Site:   ledger.Key(op.Namespace + "/" + site), Limit: limit,
		Priority: op.Spec.Priority, Created: op.CreationTimestamp.Time,
		Action: string(op.Spec.Operation), Disrupts: ledger.Disrupts(op.Spec.Operation), Begun: underway(op) || operation.HooksBegun(&op.Status),
	}
}

// underway tells whether an Operation has a place: it was dispatched, or may have been.
func underway(op *v1alpha1.Operation) bool {
	return !op.Status.Phase.Terminal() && len(op.Status.Attempts) > 0 &&
		(operation.StageOf(&op.Status) != operation.StageWaiting || failedBefore(op))
}

// placed tells whether an Operation that was not dispatched keeps its place: its hooks have begun.
func placed(op *v1alpha1.Operation) bool {
	return !op.Status.Phase.Terminal() && operation.HooksBegun(&op.Status)
}

// failedBefore tells whether the Operation waits for a retry, and so still has its server.
func failedBefore(op *v1alpha1.Operation) bool {
	for i := range op.Status.Attempts {
		if op.Status.Attempts[i].Outcome != v1alpha1.AttemptWithdrawn {
			return true
		}
	}
	return false
}

// rebuild counts what is under way, from the API server itself, before anything is admitted; and a
// namespace anew each time that it comes into the scope.
type rebuild struct {
	live     client.Reader
	ledger   *ledger.Ledger
	census   *census
	policies *Policies
	scope    Scope

	// elected waits until no other process's intents are taken any more; nil where there is no election.
	elected func(context.Context) (int64, error)

	mu   sync.Mutex
	done bool
	// epoch that this process's intents carry.
	epoch int64
	// counted is the latest entry of each namespace that was counted.
	counted map[string]int64
	// fresh are those counted that nobody has been told of yet.
	fresh []ledger.Ask
	// failed are Operations that the API server has, and that are to be counted once their servers are.
	failed []*v1alpha1.Operation
}

// take gives what was counted since the last time.
func (r *rebuild) take() []ledger.Ask {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.fresh
	r.fresh = nil
	return fresh
}

// once counts, unless that was done already, and tells who lost a place in a line with it. An error
// leaves it to the next call. again says that the namespace was out of the scope meanwhile.
func (r *rebuild) once(ctx context.Context, namespace string) (lost []ledger.Key, again bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = nil // of a time that came to nothing
	if !r.done {
		if err := r.all(ctx); err != nil {
			return nil, false, err
		}
	}
	entry := r.scope.entry(namespace)
	if r.counted[namespace] == entry {
		return nil, false, nil
	}
	active, err := r.list(ctx, namespace, nil)
	if err != nil {
		return nil, false, err
	}
	if err := r.confirm(ctx, namespace); err != nil {
		return nil, false, err
	}
	r.counted[namespace] = entry
	r.fresh = append(r.fresh, active...)
	return r.ledger.Recount(namespace, active), true, nil
}

// all counts everything for the first time, once this process leads.
func (r *rebuild) all(ctx context.Context) error {
	var err error
	if r.elected != nil {
		if r.epoch, err = r.elected(ctx); err != nil {
			return err
		}
	}
	var active []ledger.Ask
	for _, each := range r.scope.listNamespaces() {
		if r.scope.Selector != nil {
			break // each namespace is counted as it comes into the scope
		}
		if active, err = r.list(ctx, each, active); err != nil {
			return err
		}
	}
	if err := r.see(ctx); err != nil {
		return err
	}
	for _, each := range r.scope.listNamespaces() {
		if err := r.confirm(ctx, each); err != nil {
			return err
		}
	}
	r.ledger.Rebuild(active)
	r.fresh = active
	r.done, r.counted = true, map[string]int64{}
	return nil
}

// leads gives the epoch that this process's intents carry.
func (r *rebuild) leads() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch
}

// see makes sure that all policies are compiled, and all servers counted, as the API server has them.
func (r *rebuild) see(ctx context.Context) error {
	if r.policies == nil {
		return nil
	}
	switch current, err := r.policies.current(ctx); {
	case err != nil:
		return err
	case !current:
		return fmt.Errorf("reading policies: %w", errBehind)
	}
	return r.census.take(ctx)
}

// confirm makes sure that the servers of a namespace, and the failures there, are counted as the API server
// has them, whatever the watches have told. It comes after the list of what is under way: who ends after
// that is counted until it is seen, and who ended before it shows in its server.
func (r *rebuild) confirm(ctx context.Context, namespace string) error {
	if r.policies == nil {
		return nil
	}
	if r.policies.askByGroup() {
		if err := r.census.confirmGroups(ctx, r.live, namespace); err != nil {
			return err
		}
	}
	if err := r.census.confirm(ctx, r.live, namespace); err != nil {
		return err
	}
	for _, op := range r.failed {
		r.census.ended(op)
	}
	r.failed = nil
	return nil
}

// siteOf an Operation that has a place.
func (r *rebuild) siteOf(op *v1alpha1.Operation) string {
	if underway(op) {
		return op.Status.DecidedOn.Datacenter
	}
	return r.census.siteOfNamed(op.Namespace, op.Spec.ServerRef.Name)
}

// list adds what is under way in a namespace, or, where that is empty, anywhere.
func (r *rebuild) list(ctx context.Context, namespace string, active []ledger.Ask) ([]ledger.Ask, error) {
	options := &client.ListOptions{Namespace: namespace, Limit: 500}
	for {
		var page v1alpha1.OperationList
		if err := r.live.List(ctx, &page, options); err != nil {
			return nil, fmt.Errorf("counting what is under way: %w", err)
		}
		for i := range page.Items {
			op := &page.Items[i]
			switch {
			case underway(op) || placed(op):
				active = append(active, ask(op, r.siteOf(op), 0))
			case op.Status.Phase == v1alpha1.OperationFailed:
				r.failed = append(r.failed, op.DeepCopy()) // the page is not kept for it
			}
		}
		if page.Continue == "" {
			return active, nil
		}
		options.Continue = page.Continue
	}
}
