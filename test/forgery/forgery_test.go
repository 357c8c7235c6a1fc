package forgery

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
	"stargate.io/stargate/gitsync/apply"
)

// cast of the play.
type cast struct {
	*world
	// alice makes what the others write upon. mallory may create Operations and nothing else. eve may
	// write whatever she likes of every kind, but has none of the verbs, and no status. april approves.
	// peter may do all that somebody may.
	alice, mallory, eve, april, peter *person

	mu       sync.Mutex
	rows     [][5]string
	attempts int
	// targets that were tried: all of them but where somebody picks some.
	targets, names atomic.Int64
}

func newCast(t *testing.T) *cast {
	t.Helper()
	w := newWorld(t)
	write := "create,get,list,watch,update,patch,delete operations,servergroups,servers,fleets"
	c := &cast{world: w}
	c.alice = w.person(t, "alice", "operators").may(t, "create,get operations,servergroups,servers,fleets", "reboot servers")
	c.mallory = w.account(t, "mallory").may(t, "create operations", "reboot servers")
	c.eve = w.person(t, "eve", "developers").may(t, write, "reboot servers")
	c.april = w.person(t, "april").is(t, "stargate-approver")
	c.peter = w.person(t, "peter").may(t, write, "reboot,approve,override servers", "approve fleets", "get,update,patch operations/status,servergroups/status,servers/status,fleets/status")
	c.alice.ready(t, "reboot servers")
	c.mallory.ready(t, "reboot servers")
	c.eve.ready(t, "reboot servers")
	c.april.ready(t, "approve servers")
	c.peter.ready(t, "override servers")
	return c
}

// account is a person that has a token instead of a certificate.
func (w *world) account(t *testing.T, name string) *person {
	t.Helper()
	accounts := w.admin.CoreV1().ServiceAccounts(w.namespace)
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	must(t, err)
	token, err := accounts.CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	must(t, err)
	return w.login(t, "system:serviceaccount:"+w.namespace+":"+name, &clientcmdapi.AuthInfo{Token: token.Status.Token})
}

// TestForgery tries each untruth in each way. What counts is what the object says in the end.
func TestForgery(t *testing.T) {
	c := newCast(t)
	t.Run("all", func(t *testing.T) {
		for _, target := range targets() {
			t.Run(target.kind.name+": "+target.name, func(t *testing.T) {
				t.Parallel()
				c.targets.Add(1)
				for _, way := range ways() {
					if !possible(way, target) {
						continue
					}
					c.try(t, c.eve, target, way)
					if target.kind.name == operations.name {
						c.try(t, c.mallory, target, way)
					}
					c.control(t, target, way)
				}
			})
		}
		for _, k := range []kind{operations, groups, servers, fleets} {
			t.Run(k.name+": nothing forged", func(t *testing.T) {
				t.Parallel()
				for _, way := range ways() {
					c.honest(t, k, way)
				}
			})
		}
	})
	slices.SortFunc(c.rows, func(a, b [5]string) int { return strings.Compare(strings.Join(a[:3], "|"), strings.Join(b[:3], "|")) })
	var table strings.Builder
	for _, row := range c.rows {
		fmt.Fprintf(&table, "%-8s  %-34s  %-45s  %-11s  %s\n", row[2], row[0], row[1], row[3], row[4])
	}
	t.Logf("%d attempts\n%s", c.attempts, table.String())
	if tried := int(c.targets.Load()); tried == len(targets()) && c.attempts < 60 {
		t.Errorf("%d attempts, fewer than 60", c.attempts)
	}
}

// TestEachStampIsKept: of the annotations and labels that the controller goes by, each alone, on each kind.
func TestEachStampIsKept(t *testing.T) {
	w := newWorld(t)
	write := "create,get,list,watch,update,patch,delete operations,servergroups,servers,provisioningprofiles,datacenters,policies,hooks"
	eve := w.person(t, "eve-"+w.namespace).may(t, write, "reboot servers").ready(t, "patch operations", "reboot servers")
	stamps := []string{v1alpha1.AnnotationCommit, v1alpha1.AnnotationAuthor, v1alpha1.AnnotationSignedBy, v1alpha1.AnnotationSource,
		v1alpha1.AnnotationApply, v1alpha1.AnnotationReleased, v1alpha1.AnnotationLabels, apply.AnnotationDigest}
	for _, each := range []struct {
		kind
		annotations, labels []string
	}{
		{operations, append([]string{rollout.AnnotationWave, rollout.AnnotationRevision}, stamps...), []string{v1alpha1.LabelFleet, v1alpha1.LabelGroup}},
		{groups, stamps, []string{v1alpha1.LabelFleet}}, {servers, stamps, []string{v1alpha1.LabelFleet}}, {profiles, stamps, []string{v1alpha1.LabelFleet}},
		{datacenters, stamps, []string{v1alpha1.LabelFleet}}, {policies, stamps, []string{v1alpha1.LabelFleet}}, {hooks, stamps, []string{v1alpha1.LabelFleet}},
	} {
		name := w.namespace
		w.make(t, each.kind, eve, name, nil)
		for verb, keys := range map[string][]string{"annotate": each.annotations, "label": each.labels} {
			for _, key := range keys {
				out, err := eve.kubectl(t, verb, each.plural+".stargate.io", name, key+"=x")
				if err == nil || !strings.Contains(out, "can be written by the controller only") || !strings.Contains(out, key) {
					t.Errorf("%s %s of a %s: %v\n%s", verb, key, each.name, err, out)
				}
			}
		}
		eve.mustKubectl(t, "delete", each.plural+".stargate.io", name, "--wait=false")
	}
}

func possible(w way, target target) bool {
	switch {
	case target.removes:
		return w.removes
	case target.existing && w.makes:
		return false
	case target.status:
		return w.name != "annotate, label"
	}
	return true
}

// prepare an attempt: for all ways but those that make one, an object is there.
func (c *cast) prepare(t *testing.T, by *person, target target, w way) *attempt {
	t.Helper()
	name := fmt.Sprintf("%s-%d", strings.ToLower(target.kind.name), c.names.Add(1))
	if !target.kind.namespaced {
		name = c.namespace + "-" + name
	}
	a := &attempt{person: by, kind: target.kind, object: name}
	if !w.makes {
		if target.victim != nil {
			target.victim(t, c, name)
		} else {
			c.make(t, target.kind, c.alice, name, nil)
		}
		a.live = c.read(t, target.kind, name)
	}
	a.change = target.forged(a.live)
	return a
}

// try to have an object say what is not so.
func (c *cast) try(t *testing.T, by *person, target target, w way) {
	t.Helper()
	a := c.prepare(t, by, target, w)
	out, failed := w.do(t, a)
	maker := "alice"
	if w.makes {
		maker = by.name
	}
	after, err := target.kind.in(c.world).Get(t.Context(), a.object, metav1.GetOptions{})
	outcome, why := "refused", reasonOf(out)
	switch {
	case failed != nil && err != nil:
		// It was not made.
	case failed != nil && w.makes:
		t.Errorf("%s, %s, %s: refused, and made all the same: %s", target.name, w.name, by.name, out)
	case failed == nil && err != nil:
		t.Errorf("%s, %s, %s: %v", target.name, w.name, by.name, err)
	case failed == nil:
		outcome, why = "no effect", "it says what is so"
	}
	if err == nil && target.lies(after, maker) {
		t.Errorf("%s, %s, %s: FORGED: annotations %v, labels %v, status %v\n%s", target.name, w.name, by.name, after.GetAnnotations(), after.GetLabels(), after.Object["status"], out)
		outcome, why = "FORGED", ""
	}
	if failed != nil && !w.never && !strings.Contains(out, wanted(by, c, w)) {
		t.Errorf("%s, %s, %s: refused for another reason than it should be: %s", target.name, w.name, by.name, out)
	}
	c.note(target.kind.name+": "+target.name, w.name, by.name, outcome, why)
}

// wanted is what a refusal must speak of: admission, where the roles alone would have let it pass.
func wanted(by *person, c *cast, w way) string {
	if by == c.eve && !w.status || by == c.mallory && w.name == "create" {
		return "ValidatingAdmissionPolicy"
	}
	return "orbidden"
}

// control: the same request by somebody who may does what it says. Through the status subresource
// nothing but status changes, whoever asks.
func (c *cast) control(t *testing.T, target target, w way) {
	t.Helper()
	if w.never || !target.honest || (w.makes && !target.honestNew) {
		return
	}
	a := c.prepare(t, c.peter, target, w)
	if out, err := w.do(t, a); err != nil {
		t.Errorf("%s, %s: who may is refused: %v\n%s", target.name, w.name, err, out)
		return
	}
	if says := target.lies(c.read(t, target.kind, a.object), c.peter.name); says != (w.status == target.status) {
		t.Errorf("%s, %s: who may asked for it, and it is so: %t", target.name, w.name, says)
	}
}

// honest: what is not guarded is written by the same people in the same ways.
func (c *cast) honest(t *testing.T, k kind, w way) {
	t.Helper()
	if w.never || w.status {
		return
	}
	note := annotated("example.com/note", "x")
	note.labels = map[string]string{"example.com/team": "a"}
	a := c.prepare(t, c.eve, target{kind: k, forged: always(note)}, w)
	if out, err := w.do(t, a); err != nil {
		t.Errorf("%s, %s: %v\n%s", k.name, w.name, err, out)
		return
	}
	after := c.read(t, k, a.object)
	if after.GetAnnotations()["example.com/note"] != "x" || after.GetLabels()["example.com/team"] != "a" {
		t.Errorf("%s, %s: annotations %v, labels %v", k.name, w.name, after.GetAnnotations(), after.GetLabels())
	}
	if k.name == operations.name && w.makes && (after.GetAnnotations()[v1alpha1.AnnotationRequester] != "eve" || !isOf(after, "developers")) {
		t.Errorf("%s: asked for by eve, says %v", w.name, after.GetAnnotations())
	}
}

// isOf tells whether an Operation says that who asked for it is of a group.
func isOf(o *unstructured.Unstructured, group string) bool {
	return slices.Contains(strings.Split(o.GetAnnotations()[v1alpha1.AnnotationRequesterGroups], "\n"), group)
}

func (c *cast) note(what, how, who, outcome, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts++
	if strings.HasPrefix(who, "system:") {
		who = "mallory"
	}
	c.rows = append(c.rows, [5]string{what, how, who, outcome, why})
}

// reasonOf a refusal, in one short line.
func reasonOf(out string) string {
	line := out
	if _, after, found := strings.Cut(out, "denied request: "); found {
		line = after
	} else if at := strings.Index(out, "rror"); at >= 0 {
		line = out[max(at-1, 0):]
	}
	line, _, _ = strings.Cut(strings.TrimSpace(line), "\n")
	if len(line) > 110 {
		line = line[:110] + "…"
	}
	return line
}
