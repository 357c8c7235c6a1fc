package forgery

import (
	"fmt"
	"strings"
	"testing"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
)

// TestActions: Alice may repave, Bob only reboot; a verb may be given for one server by name; who may
// create Operations and has no verb may look; and the controller repaves and does nothing else.
func TestActions(t *testing.T) {
	w := newWorld(t)
	people := map[string]*person{
		"alice": w.person(t, "alice-"+w.namespace).is(t, "stargate-operator-repave").ready(t, "repave servers"),
		"bob":   w.person(t, "bob-"+w.namespace).is(t, "stargate-operator-reboot").ready(t, "reboot servers"),
		"carl":  w.person(t, "carl-"+w.namespace).may(t, "create operations", "reboot,repave servers:server-001").ready(t, "create operations"),
		"nora":  w.person(t, "nora-"+w.namespace).may(t, "create operations").ready(t, "create operations"),
		"edith": w.person(t, "edith-"+w.namespace).is(t, "edit").ready(t, "power servers"),
		"vic":   w.person(t, "vic-"+w.namespace).is(t, "view").ready(t, "get servers"),
	}
	eventually(t, "carl may reboot one server", func() bool {
		_, err := people["carl"].kubectl(t, "auth", "can-i", "reboot", "servers.stargate.io/server-001")
		return err == nil
	})
	for who, may := range map[string]string{
		"alice": "repave reboot powerOn powerOff inspect of both",
		"bob":   "reboot powerOn powerOff inspect of both",
		"carl":  "repave reboot inspect; inspect of server-002",
		"nora":  "inspect of both",
		"edith": "repave reboot powerOn powerOff inspect of both",
		"vic":   "",
	} {
		first, second, _ := strings.Cut(may, ";")
		if strings.HasSuffix(first, "of both") {
			second = first
		}
		for server, allowed := range map[string]string{"server-001": first, "server-002": second} {
			for _, action := range []string{"repave", "reboot", "powerOn", "powerOff", "inspect"} {
				err := people[who].act(t, action, server)
				if want := strings.Contains(allowed, action); (err == nil) != want {
					t.Errorf("%s, %s of %s: %v", who, action, server, err)
				}
				verb := map[string]string{"powerOn": "power", "powerOff": "power"}[action]
				if verb == "" {
					verb = action
				}
				says := fmt.Sprintf("may not %s server %s: that takes the verb %s on servers.stargate.io in namespace %s", verb, server, verb, w.namespace)
				if err != nil && who != "vic" && !strings.Contains(err.Error(), says) {
					t.Errorf("%s, %s of %s: refused as %v", who, action, server, err)
				}
			}
		}
	}
}

// act creates an Operation, dry: admission does not know the difference.
func (p *person) act(t *testing.T, action, server string) error {
	t.Helper()
	spec := map[string]any{"operation": action, "serverRef": map[string]any{"name": server}}
	if action == "repave" {
		spec["provisioningProfileRef"] = map[string]any{"name": "os"}
	}
	a := &attempt{person: p, kind: kind{"Operation", "operations", true, spec}, object: strings.ToLower(action)}
	if out, err := p.kubectl(t, "create", "--dry-run=server", "-f", a.file(t, a.bare())); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// TestSteering: who cancels an Operation, reorders it or says what became of its job needs the verb that
// it took to make it; who may patch Operations to approve them does not have it.
func TestSteering(t *testing.T) {
	w := newWorld(t)
	rita := w.person(t, "rita-"+w.namespace).is(t, "stargate-operator-repave").ready(t, "repave servers", "patch operations")
	rob := w.person(t, "rob-"+w.namespace).is(t, "stargate-operator-reboot").ready(t, "reboot servers", "patch operations")
	april := w.person(t, "april-"+w.namespace).is(t, "stargate-approver").ready(t, "approve servers", "patch operations")
	repave := map[string]any{"operation": "repave", "serverRef": map[string]any{"name": "server-001"}, "provisioningProfileRef": map[string]any{"name": "os"}}
	w.make(t, kind{"Operation", "operations", true, repave}, rita, "repave", nil)
	w.make(t, operations, rob, "reboot", nil)
	for name, patch := range map[string]string{
		"cancel": `{"spec":{"cancel":true}}`, "priority": `{"spec":{"priority":7}}`,
		"resolve": `{"metadata":{"annotations":{"stargate.io/resolve":"x=it-did-not"}}}`,
	} {
		for _, each := range []struct {
			by      *person
			allowed string
		}{{april, ""}, {rob, "reboot"}, {rita, "reboot repave"}} {
			for _, op := range []string{"reboot", "repave"} {
				out, err := each.by.kubectl(t, "patch", operations.plural+".stargate.io", op, "--type=merge", "--dry-run=server", "-p", patch)
				if want := strings.Contains(each.allowed, op); (err == nil) != want {
					t.Errorf("%s of a %s by %s: %v\n%s", name, op, each.by.name, err, out)
				}
				if err != nil && !strings.Contains(out, "may not cancel, reorder or resolve a "+op+" of server server-001: that takes the verb "+op) {
					t.Errorf("%s of a %s by %s: refused as %s", name, op, each.by.name, out)
				}
			}
		}
	}
}

// TestControllerMayWrite what it goes by, by the roles that are installed: Operations of rollouts, and
// what comes out of a repository, which leaves the approval of a person alone.
func TestControllerMayWrite(t *testing.T) {
	w := newWorld(t)
	token, err := w.controllerToken(t.Context())
	must(t, err)
	engine := w.login(t, "system:serviceaccount:"+config.SystemNamespace+":"+config.ControllerAccount, token)
	engine.ready(t, "repave servers", "create operations", "patch servergroups")
	rolled := &attempt{person: engine, kind: operations, object: "rolled", change: change{annotations: commit.annotations, labels: made.labels}}
	rolled.spec = map[string]any{"operation": "repave", "serverRef": map[string]any{"name": "server-001"}, "provisioningProfileRef": map[string]any{"name": "os"}}
	engine.mustKubectl(t, "create", "-f", rolled.file(t, rolled.bare()))
	if says := w.read(t, operations, "rolled").GetAnnotations(); says[v1alpha1.AnnotationCommit] == "" || says[v1alpha1.AnnotationRequester] != engine.name {
		t.Errorf("an Operation of a rollout says %v", says)
	}
	if err := engine.act(t, "reboot", "server-001"); err == nil {
		t.Error("the controller may reboot")
	}
	sync := func(number string) {
		t.Helper()
		group := &attempt{person: engine, kind: groups, object: "web", change: change{labels: released.labels, annotations: map[string]string{v1alpha1.AnnotationApply: number}}}
		engine.mustKubectl(t, "apply", "--server-side", "--force-conflicts", "--field-manager=fleet", "-f", group.file(t, group.bare()))
	}
	sync("1")
	april := w.person(t, "april-"+w.namespace).may(t, "get,patch servergroups", "approve servers").ready(t, "approve servers")
	april.mustKubectl(t, "annotate", groups.plural+".stargate.io", "web", v1alpha1.AnnotationApprove+"=1-abc")
	sync("2")
	says := w.read(t, groups, "web").GetAnnotations()
	if says[v1alpha1.AnnotationApprove] != "1-abc" || says[v1alpha1.AnnotationApprovedBy] != april.name || says[v1alpha1.AnnotationApply] != "2" {
		t.Errorf("after the next commit the group says %v", says)
	}
	// Whoever approves something else later is who approved, and what is taken back is nobody's.
	anna := w.person(t, "anna-"+w.namespace).may(t, "get,patch servergroups", "approve servers").ready(t, "approve servers")
	anna.mustKubectl(t, "annotate", groups.plural+".stargate.io", "web", "--overwrite", v1alpha1.AnnotationApprove+"=2-abc")
	if by := w.read(t, groups, "web").GetAnnotations()[v1alpha1.AnnotationApprovedBy]; by != anna.name {
		t.Errorf("approved by %q, not by %s", by, anna.name)
	}
}

// TestNamesOfTwoLines: who is of a group with a line break in its name would be of two, and asks for
// nothing.
func TestNamesOfTwoLines(t *testing.T) {
	w := newWorld(t)
	lina := w.person(t, "lina-"+w.namespace, "a\nb").may(t, "create operations").ready(t, "create operations")
	if err := lina.act(t, "inspect", "server-001"); err == nil || !strings.Contains(err.Error(), "has a line break in it") {
		t.Errorf("of a group of two lines: %v", err)
	}
	line := w.person(t, "li\nne-"+w.namespace).may(t, "create operations").ready(t, "create operations")
	if err := line.act(t, "inspect", "server-001"); err == nil || !strings.Contains(err.Error(), "has a line break in it") {
		t.Errorf("of a name of two lines: %v", err)
	}
}
