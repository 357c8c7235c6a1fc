package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/hookcontext"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/hooks"
)

// defaultHookTimeout mirrors the default of the kind, for objects that were written before it.
const defaultHookTimeout = 10 * time.Minute

// hookBook keeps the Hooks' scripts compiled.
type hookBook struct {
	scripts Scripts

	mu       sync.Mutex
	compiled map[string]compiledHook
}

type compiledHook struct {
	uid        types.UID
	generation int64
	script     *hooks.Script
	problems   []hooks.Problem
	// selector of the servers; nil for all.
	selector labels.Selector
}

func newHookBook(scripts Scripts) *hookBook {
	return &hookBook{scripts: scripts, compiled: map[string]compiledHook{}}
}

// of gives a Hook's script, compiled once for each of its generations.
func (b *hookBook) of(hook *v1alpha1.Hook) compiledHook {
	b.mu.Lock()
	known := b.compiled[hook.Name]
	b.mu.Unlock()
	if known.uid == hook.UID && known.generation == hook.Generation {
		return known
	}
	known = compiledHook{uid: hook.UID, generation: hook.Generation}
	known.script, known.problems = b.scripts.Compile(hook.Name+".lua", hook.Spec.Script)
	if selector := hook.Spec.Match.ServerSelector; selector != nil {
		var err error
		if known.selector, err = selector.Selector(); err != nil {
			// The API server lets none through that does not parse; one that does all the same matches all.
			known.problems = append(known.problems, hooks.Problem{Message: "spec.match.serverSelector: " + err.Error()})
		}
	}
	b.mu.Lock()
	b.compiled[hook.Name] = known
	b.mu.Unlock()
	return known
}

// forget a Hook that is gone.
func (b *hookBook) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.compiled, name)
}

// problem that keeps the script from running, with the line where it is; empty for none.
func (c compiledHook) problem(name string) string {
	if len(c.problems) == 0 {
		return ""
	}
	first := c.problems[0]
	if first.Line == 0 {
		return first.Message
	}
	return fmt.Sprintf("%s.lua:%d: %s", name, first.Line, first.Message)
}

// gatherHooks reads the hooks that are about an Operation, or that its status names.
func (r *Operations) gatherHooks(ctx context.Context, p *pass) error {
	if r.hooks == nil {
		return nil
	}
	r.hooks.tell(p.Operation.UID, &p.Snapshot)
	var list v1alpha1.HookList
	// They are only read, and may have large scripts.
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Hooks: %w", err)
	}
	for i := range list.Items {
		if hook := r.hookOf(p, &list.Items[i]); hook != nil {
			p.Hooks = append(p.Hooks, *hook)
			p.hooks = append(p.hooks, &list.Items[i])
		}
	}
	return nil
}

// hookOf is a Hook as a decision on an Operation sees it; nil where it is not about that.
func (r *Operations) hookOf(p *pass, object *v1alpha1.Hook) *operation.Hook {
	recorded := slices.IndexFunc(p.Operation.Status.Hooks, func(run v1alpha1.HookRun) bool { return run.Name == object.Name })
	compiled := r.hookBook.of(object)
	matches := matchesOperation(&object.Spec.Match, compiled.selector, p)
	if object.DeletionTimestamp != nil || (recorded < 0 && !matches) {
		return nil
	}
	hook := &operation.Hook{Name: object.Name, When: object.Spec.When, Order: object.Spec.Order, Timeout: defaultHookTimeout,
		Retries: object.Spec.Retries, OnError: object.Spec.OnError, Problem: compiled.problem(object.Name), Matches: matches}
	if object.Spec.Timeout != nil {
		hook.Timeout = object.Spec.Timeout.Duration
	}
	if hook.Problem == "" {
		hook.Hash = compiled.script.Hash
	}
	// The script that began is run on, whatever the Hook says now; how long it may take, what it may reach and
	// what its failure means is as the Hook says.
	if recorded >= 0 && p.Operation.Status.Hooks[recorded].Result != "" {
		if pinned := r.hooks.pin(p.Operation.UID, object.Name); pinned != nil && pinned.Hash == p.Operation.Status.Hooks[recorded].Hash {
			hook.Hash, hook.Problem = pinned.Hash, ""
		}
	}
	return hook
}

// matchesOperation tells whether a match is about an Operation, as things stand.
func matchesOperation(match *v1alpha1.Match, servers labels.Selector, p *pass) bool {
	op, profile := p.Operation, ""
	if op.Spec.ProvisioningProfileRef != nil {
		profile = op.Spec.ProvisioningProfileRef.Name
	}
	return p.Server != nil &&
		among(match.Operations, op.Spec.Operation) && among(match.Namespaces, op.Namespace) && among(match.Datacenters, p.Site.Name) &&
		among(match.Groups, op.Labels[v1alpha1.LabelGroup]) && among(match.Profiles, profile) && (servers == nil || servers.Matches(labels.Set(p.Server.Labels)))
}

// among tells whether a list that narrows something has it; one that is empty does not narrow.
func among[T comparable](list []T, one T) bool { return len(list) == 0 || slices.Contains(list, one) }

// runHook hands a run to the workers, once it is certain that the Operation is what was decided on.
func (r *Operations) runHook(ctx context.Context, p *pass, effect operation.RunHook) (done bool, err error) {
	if err := r.confirmOperation(ctx, p); err != nil {
		return false, err
	}
	i := slices.IndexFunc(p.hooks, func(h *v1alpha1.Hook) bool { return h.Name == effect.Hook.Name })
	if i < 0 {
		return false, fmt.Errorf("operation %s: no Hook %s to run", p.key, effect.Hook.Name)
	}
	object := p.hooks[i]
	script := r.hooks.pin(p.Operation.UID, object.Name)
	if script == nil || script.Hash != effect.Hook.Hash {
		script = r.hookBook.of(object).script
	}
	allow := &object.Spec.Allow
	verbs := make([]string, 0, len(allow.Kubernetes))
	for _, verb := range allow.Kubernetes {
		verbs = append(verbs, string(verb))
	}
	facts, err := r.facts(ctx, p)
	if err != nil {
		return false, err
	}
	op := p.Operation
	r.hooks.start(r.background, hookRun{
		key: p.key, uid: op.UID, effect: effect, host: r.hookHost(p.Server, allow.KubeconfigRef),
		call: hooks.Call{Name: object.Name, Script: script, Context: hookcontext.Of(facts, op, effect), State: []byte(effect.State), Key: effect.Key,
			Deadline: effect.Deadline, Hosts: slices.Clone(allow.Hosts), Verbs: verbs},
		told: func(result hooks.Result) { r.tellHook(op, object.Name, result) },
	})
	return true, nil
}

// maxTold bounds the events of one run, and what of each is told.
const (
	maxTold       = 8
	maxToldReason = 64
)

// tellHook tells the events of a run and logs what it logged.
func (r *Operations) tellHook(op *v1alpha1.Operation, name string, result hooks.Result) {
	for _, event := range result.Events[:min(len(result.Events), maxTold)] {
		reason := event.Reason
		if reason == "" || len(reason) > maxToldReason || strings.ContainsAny(reason, " \t\n") {
			reason = "HookSays"
		}
		r.tell(op, &operation.Event{Warning: event.Warning, Reason: reason, Message: fmt.Sprintf("Hook %s: %.900s", name, event.Message)})
	}
	for _, line := range result.Log {
		r.hookLog.Info(line, "hook", name, "operation", op.Namespace+"/"+op.Name)
	}
}
