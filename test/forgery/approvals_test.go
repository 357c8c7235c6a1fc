package forgery

import (
	"strings"
	"testing"

	"stargate.io/stargate/api/v1alpha1"
)

// sayings of an Operation about its approvals.
func (w *world) sayings(t *testing.T, name string) (by, why string) {
	t.Helper()
	says := w.read(t, operations, name).GetAnnotations()
	return says[v1alpha1.AnnotationApprovedBy], says[v1alpha1.AnnotationApproveReason]
}

// TestApprovalsAddUp: each approver is named once, each reason is kept, and who asked does not count.
func TestApprovalsAddUp(t *testing.T) {
	w := newWorld(t)
	april := w.person(t, "april-"+w.namespace).is(t, "stargate-approver")
	anna := w.person(t, "anna-"+w.namespace).is(t, "stargate-approver")
	alice := w.person(t, "alice-"+w.namespace).is(t, "stargate-operator-reboot", "stargate-approver")
	april.ready(t, "approve servers")
	anna.ready(t, "approve servers")
	alice.ready(t, "approve servers", "reboot servers")
	uid := string(w.make(t, operations, alice, "op", nil).GetUID())
	approve := func(p *person, pairs ...string) error {
		out, err := p.kubectl(t, append([]string{"annotate", "--overwrite", operations.plural + ".stargate.io", "op"}, pairs...)...)
		return withText(err, out)
	}
	const yes, why, who = v1alpha1.AnnotationApprove, v1alpha1.AnnotationApproveReason, v1alpha1.AnnotationApprovedBy
	for _, step := range []struct {
		by      *person
		pairs   []string
		refused string // "" where it is let pass
		names   []*person
		reasons string
	}{
		{alice, []string{yes + "=" + uid}, "asked for this Operation and cannot approve it: have another person approve it", nil, ""},
		{april, []string{yes + "=another"}, "set the annotation stargate.io/approve to its UID, " + uid, nil, ""},
		{april, []string{why + "=no yes"}, "set the annotation stargate.io/approve to its UID", nil, ""},
		{april, []string{yes + "=" + uid, why + "=seen"}, "", []*person{april}, "seen"},
		{april, []string{yes + "=" + uid, why + "=seen"}, "", []*person{april}, "seen"},
		{alice, []string{who + "=" + alice.name}, "cannot approve it", []*person{april}, "seen"},
		// Somebody who is not named yet has to write something, whatever it is.
		{anna, []string{yes + "=" + uid, who + "=" + anna.name}, "", []*person{april, anna}, "seen"},
		{anna, []string{why + "=I looked too"}, "", []*person{april, anna}, "seen\nI looked too"},
		{april, []string{who + "=" + april.name}, "", []*person{april, anna}, "seen\nI looked too"},
		{april, []string{yes + "-"}, "to take all approvals back remove", []*person{april, anna}, "seen\nI looked too"},
		// Who asked needs no right to have the approvals of others, but may have all taken back.
		{anna, []string{yes + "-", why + "-", who + "-"}, "", nil, ""},
	} {
		err := approve(step.by, step.pairs...)
		switch {
		case step.refused == "" && err != nil:
			t.Errorf("%s, %v: %v", step.by.name, step.pairs, err)
		case step.refused != "" && (err == nil || !strings.Contains(err.Error(), step.refused)):
			t.Errorf("%s, %v: not refused with %q: %v", step.by.name, step.pairs, step.refused, err)
		}
		var names []string
		for _, p := range step.names {
			names = append(names, p.name)
		}
		by, reasons := w.sayings(t, "op")
		if by != strings.Join(names, "\n") || reasons != step.reasons {
			t.Errorf("after %s, %v: approved by %q for %q", step.by.name, step.pairs, by, reasons)
		}
	}
}

// TestOverridesAreNamed, need a reason, and name rules.
func TestOverridesAreNamed(t *testing.T) {
	w := newWorld(t)
	oscar := w.person(t, "oscar-"+w.namespace).is(t, "stargate-override", "stargate-operator-reboot").ready(t, "override servers", "reboot servers")
	const what, why, who = v1alpha1.AnnotationOverride, v1alpha1.AnnotationOverrideReason, v1alpha1.AnnotationOverriddenBy
	w.make(t, operations, oscar, "made", map[string]string{what: "freeze/in-december\nper-rack", why: "it burns"})
	if by := w.read(t, operations, "made").GetAnnotations()[who]; by != oscar.name {
		t.Errorf("overridden by %q", by)
	}
	w.make(t, operations, oscar, "op", nil)
	for _, step := range []struct {
		pairs   []string
		refused string
		by      string
	}{
		{[]string{what + "=freeze"}, "an override needs its reason", ""},
		{[]string{what + "=freeze", why + "= "}, "an override needs its reason", ""},
		{[]string{what + "=Freeze it", why + "=x"}, "names rules, one a line, as policy or policy/rule", ""},
		{[]string{what + "=freeze", why + "=it burns"}, "", oscar.name},
		{[]string{who + "=somebody"}, "", oscar.name},
		{[]string{what + "-", why + "-", who + "-"}, "", ""},
	} {
		out, err := oscar.kubectl(t, append([]string{"annotate", "--overwrite", operations.plural + ".stargate.io", "op"}, step.pairs...)...)
		if (err == nil) != (step.refused == "") || !strings.Contains(out, step.refused) {
			t.Errorf("%v: %v\n%s", step.pairs, err, out)
		}
		if by := w.read(t, operations, "op").GetAnnotations()[who]; by != step.by {
			t.Errorf("after %v: overridden by %q", step.pairs, by)
		}
	}
}
