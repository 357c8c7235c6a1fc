package hookcontext_test

import (
	"testing"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/hookcontext"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/rules"
)

// TestHookContextHasTheFacts in the words that rules use, and nothing that is not known.
func TestHookContextHasTheFacts(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	facts := &rules.Facts{Now: at}
	facts.Operation = rules.Operation{Name: "repave", Action: "repave", Priority: 5, AdHoc: true, ExpectedDuration: 20 * time.Minute, Approvals: []string{"ada"}}
	facts.Server = rules.Server{Name: "server-001", Labels: map[string]string{"rack": "r7"}, LastRepaved: time.Unix(0, 0)}
	facts.Requester.Stamped = true
	ctx := hookcontext.Of(facts, &v1alpha1.Operation{}, operation.RunHook{Hook: operation.Hook{Name: "drain", When: v1alpha1.HookBefore}, Run: 2})
	for path, want := range map[[2]string]any{
		{"operation", "name"}: "repave", {"operation", "priority"}: int64(5), {"operation", "adHoc"}: true, {"operation", "expectedDuration"}: "20m0s",
		{"server", "name"}: "server-001", {"server", "nodeName"}: nil, {"server", "lastRepaved"}: nil, {"server", "paused"}: false, {"profile", "name"}: nil,
		{"hook", "when"}: "Before", {"hook", "run"}: int32(2),
	} {
		table, ok := ctx[path[0]].(map[string]any)
		if got := table[path[1]]; !ok || got != want {
			t.Errorf("ctx.%s.%s is %v, want %v", path[0], path[1], got, want)
		}
	}
	if ctx["now"] != "2026-03-01T12:00:00Z" || ctx["job"] != nil || ctx["attempt"] != nil {
		t.Errorf("now %v, job %v, attempt %v", ctx["now"], ctx["job"], ctx["attempt"])
	}
	if server, ok := ctx["server"].(map[string]any); !ok || server["labels"].(map[string]any)["rack"] != "r7" || len(ctx["requester"].(map[string]any)) != 1 {
		t.Errorf("server %v, requester %v", ctx["server"], ctx["requester"])
	}
}
