package apply

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// removing is a prune as it goes: what was found busy meanwhile keeps what it is reached by.
type removing struct {
	*Applier
	fleet  string
	result *Result
	mu     sync.Mutex
	busy   map[string]string // namespace to a Server found busy
}

// prune what left the commit, kind by kind.
func (a *Applier) prune(ctx context.Context, plan Plan, result *Result) []Problem {
	r := &removing{Applier: a, fleet: plan.Fleet, result: result, busy: map[string]string{}}
	for _, stage := range stages(plan.Prunes, func(p *Prune) string { return p.Kind.Kind }) {
		if problems := each(ctx, a.concurrency(), stage, func(p *Prune) ([]Problem, func()) { return r.one(ctx, *p) }); len(problems) > 0 {
			return problems
		}
	}
	return nil
}

// one object is deleted as it was last seen, or what became of it is looked at again: a Server that was
// claimed meanwhile is not the same any more.
func (r *removing) one(ctx context.Context, p Prune) ([]Problem, func()) {
	if p.Reason = r.needed(p.Key); p.Reason != "" {
		return nil, func() { r.result.Waiting = append(r.result.Waiting, p) }
	}
	ours := true
	err := r.repeat(ctx, func(ctx context.Context) (err error) {
		ours, err = r.remove(ctx, &p)
		return err
	})
	switch {
	case err != nil:
		return problemsOf(p.Key, tree.Place{}, err), nil
	case p.Reason != "":
		return nil, func() { r.result.Waiting = append(r.result.Waiting, p) }
	case !ours:
		return nil, nil
	}
	return nil, func() { r.result.Pruned++ }
}

// looks at an object that changes again and again, before a pause.
const looks = 3

// remove the object as it is known. If it changed, it is looked at, and deleted as it is then if it is the
// fleet's still and nothing holds it; what holds it is put into p.Reason.
func (r *removing) remove(ctx context.Context, p *Prune) (ours bool, err error) {
	for range looks {
		err = r.Client.Delete(ctx, metadataOf(p.Key), client.Preconditions{UID: &p.uid, ResourceVersion: &p.resourceVersion})
		if !apierrors.IsConflict(err) {
			return true, client.IgnoreNotFound(err)
		}
		stays, ours, unread := r.again(ctx, p)
		if unread != nil || stays {
			return ours, unread
		}
	}
	return true, err
}

// again looks at an object that changed since the plan: whether it stays for now, with p.Reason, and
// whether it is the fleet's still.
func (r *removing) again(ctx context.Context, p *Prune) (stays, ours bool, err error) {
	var live client.Object = metadataOf(p.Key)
	if p.Kind.Kind == "Server" {
		live = &v1alpha1.Server{}
	}
	reader := r.Reader
	if reader == nil {
		reader = r.Client
	}
	if err := reader.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: p.Name}, live); err != nil {
		return true, false, client.IgnoreNotFound(err)
	}
	if live.GetUID() != p.uid || live.GetLabels()[v1alpha1.LabelFleet] != r.fleet || live.GetDeletionTimestamp() != nil {
		return true, false, nil
	}
	p.resourceVersion = live.GetResourceVersion()
	server, ok := live.(*v1alpha1.Server)
	if !ok || activeOn(server) == "" {
		return false, true, nil
	}
	p.Reason = busyReason(activeOn(server))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[p.Namespace] = p.Name
	return true, true, nil
}

// needed by a Server that was found busy.
func (r *removing) needed(key tree.Key) string {
	switch key.Kind.Kind {
	case "Datacenter", "ProvisioningProfile", "Secret", "ConfigMap":
		r.mu.Lock()
		defer r.mu.Unlock()
		if server := r.busy[key.Namespace]; server != "" {
			return neededReason(server)
		}
	}
	return ""
}
