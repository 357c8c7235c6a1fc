package plan_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/plan"
	"stargate.io/stargate/gitsync/tree"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func server(name string, change ...func(*v1alpha1.Server)) *v1alpha1.Server {
	s := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{
		Namespace: "dc", Name: name, UID: "uid-" + "1", Labels: map[string]string{"role": "web", v1alpha1.LabelFleet: "prod"}}}
	for _, each := range change {
		each(s)
	}
	return s
}

func runs(profile, hash string) func(*v1alpha1.Server) {
	return func(s *v1alpha1.Server) {
		s.Status.State = v1alpha1.ServerReady
		s.Status.Applied = &v1alpha1.Applied{Profile: profile, Hash: hash, OSVersion: hash, At: metav1.NewTime(noon)}
	}
}

func labelled(key, value string) func(*v1alpha1.Server) {
	return func(s *v1alpha1.Server) { s.Labels[key] = value }
}

func group(name, role, profile string, change ...func(*v1alpha1.ServerGroup)) *v1alpha1.ServerGroup {
	g := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, Labels: map[string]string{v1alpha1.LabelFleet: "prod"}}}
	g.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": v1alpha1.LabelValue(role)}
	g.Spec.ProvisioningProfileRef.Name = profile
	for _, each := range change {
		each(g)
	}
	return g
}

// profile whose hash is its version; a version with "?" is one that cannot be known.
func profile(name, version string) *v1alpha1.ProvisioningProfile {
	return &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, Labels: map[string]string{v1alpha1.LabelFleet: "prod"}},
		Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: version}}
}

func hashes(p *v1alpha1.ProvisioningProfile) (string, bool) {
	return p.Spec.OSVersion, p.Spec.OSVersion[0] != '?'
}

func state(objects ...any) plan.State {
	var s plan.State
	for _, object := range objects {
		switch o := object.(type) {
		case *v1alpha1.Server:
			s.Servers = append(s.Servers, o)
		case *v1alpha1.ServerGroup:
			s.Groups = append(s.Groups, o)
		case *v1alpha1.ProvisioningProfile:
			s.Profiles = append(s.Profiles, o)
		}
	}
	return s
}

func TestRepaves(t *testing.T) {
	one, two := profile("web", "1"), profile("web", "2")
	web := group("web", "web", "web")
	a := server("a", runs("web", "1"))
	drifted := server("a", runs("web", "9"))
	report := group("web", "web", "web", func(g *v1alpha1.ServerGroup) {
		g.Status.Revision = v1alpha1.GroupRevision{ProfileHash: "1", StartedAt: &metav1.Time{Time: noon.Add(-time.Hour)}}
	})
	repave := report.DeepCopy()
	repave.Spec.Rollout.OnDrift = v1alpha1.DriftRepave
	adopted := server("a", func(s *v1alpha1.Server) { s.Spec.Adopt = &v1alpha1.Adoption{Profile: "web"} })
	anew := a.DeepCopy()
	anew.UID = "uid-2"
	for name, test := range map[string]struct {
		before, after plan.State
		want          string
	}{
		"nothing changed":               {state(a, web, one), state(a, web, one), ""},
		"a new version":                 {state(a, web, one), state(a, web, two), "web/a: osVersion 1>2"},
		"one that has it already":       {state(server("a", runs("web", "2")), web, one), state(server("a", runs("web", "2")), web, two), ""},
		"already to be repaved":         {state(a, web, two), state(a, web, two), ""},
		"to be repaved, to another":     {state(a, web, two), state(a, web, profile("web", "3")), "web/a: osVersion 1>3"},
		"a label of the profile":        {state(a, web, one), state(a, web, func() any { p := one.DeepCopy(); p.Labels["x"] = "y"; return p }()), ""},
		"never touched":                 {state(), state(server("a"), web, one), "web/a: group >web osVersion nothing recorded>1"},
		"never touched, in no group":    {state(server("a")), state(server("a"), web, one), "web/a: group >web osVersion nothing recorded>1"},
		"never touched, was to be":      {state(server("a"), web, one), state(server("a"), web, one), ""},
		"adopted as it is":              {state(server("a")), state(adopted, web, one), ""},
		"adopted as something else":     {state(server("a")), state(adopted, group("web", "web", "db"), one, profile("db", "7")), "web/a: group >web osVersion nothing recorded>7"},
		"paused ones count":             {state(a, web, one), state(server("a", runs("web", "1"), func(s *v1alpha1.Server) { s.Spec.Paused = true }), web, two), "web/a: osVersion 1>2"},
		"quarantined ones count":        {state(a, web, one), state(server("a", runs("web", "1"), func(s *v1alpha1.Server) { s.Status.Quarantine = &v1alpha1.Quarantine{} }), web, two), "web/a: osVersion 1>2"},
		"selected twice":                {state(a, web, one), state(a, web, group("also", "web", "web"), two), ""},
		"moved to a group like it":      {state(a, web, one), state(server("a", runs("web", "1"), labelled("role", "db")), web, group("db", "db", "web"), one), ""},
		"moved to another group":        {state(a, web, one, profile("db", "7")), state(server("a", runs("web", "1"), labelled("role", "db")), web, group("db", "db", "db"), one, profile("db", "7")), "db/a: group web>db provisioningProfileRef web>db osVersion 1>7"},
		"unknown and as it was":         {state(a, web, profile("web", "?")), state(a, web, profile("web", "?")), ""},
		"unknown and changed":           {state(a, web, profile("web", "?")), state(a, web, profile("web", "??")), "web/a: osVersion 1>??"},
		"unknown after being known":     {state(a, web, one), state(a, web, profile("web", "?")), "web/a: osVersion 1>?"},
		"unknown, in a new group":       {state(a, profile("web", "?")), state(a, web, profile("web", "?")), "web/a: group >web osVersion 1>?"},
		"drifted, reported":             {state(drifted, report, one), state(drifted, report, one), ""},
		"drifted, a new revision":       {state(drifted, report, one), state(drifted, report, two), "web/a: osVersion 9>2"},
		"drifted, to be put back now":   {state(drifted, report, one), state(drifted, repave, one), "web/a: osVersion 9>1"},
		"made anew":                     {state(a, web, two), state(anew, web, two), "web/a: osVersion 1>2"},
		"the profile is not there":      {state(a, web, one), state(a, web), ""},
		"another name, same content":    {state(a, web, one), state(a, group("web", "web", "next"), profile("next", "1")), ""},
		"another name, another content": {state(a, web, one), state(a, group("web", "web", "next"), profile("next", "2")), "web/a: provisioningProfileRef web>next osVersion 1>2"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(plan.Repaves(test.before, test.after, hashes)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func told(repaves []plan.Repave) string {
	text := ""
	for _, repave := range repaves {
		if text != "" {
			text += "; "
		}
		text += repave.Group + "/" + repave.Server + ":"
		for _, change := range repave.Why {
			text += " " + change.Field + " " + change.Old + ">" + change.New
		}
	}
	return text
}

// commit makes a tree of objects, with what they say.
func commit(t *testing.T, objects ...runtime.Object) *tree.Tree {
	t.Helper()
	made := &tree.Tree{}
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			t.Fatal(err)
		}
		made.Objects = append(made.Objects, &tree.Object{Content: &unstructured.Unstructured{Object: content}, Typed: object})
	}
	return made
}

func TestAfterKeepsWhatIsNotTheCommits(t *testing.T) {
	live := server("a", runs("web", "1"), labelled("hand", "made"), labelled("gone", "soon"))
	live.Spec.Paused, live.Spec.Reason = true, "RMA-77"
	live.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: "stargate-fleet", Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:gone":{},"f:role":{}}}}`)},
		{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:hand":{}}}}`)},
	}
	said := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "a", Labels: map[string]string{"role": "db"}}}
	after := plan.After(state(live), commit(t, said), "prod", true).Servers[0]
	if after.UID != live.UID || after.Status.Applied == nil {
		t.Error("the status and the identity of what lives are kept")
	}
	if !after.Spec.Paused || after.Spec.Reason != "RMA-77" {
		t.Error("what a person paused stays paused")
	}
	if want := map[string]string{"role": "db", "hand": "made", v1alpha1.LabelFleet: "prod"}; len(after.Labels) != 3 || after.Labels["role"] != "db" || after.Labels["hand"] != "made" {
		t.Errorf("got labels %v, want %v", after.Labels, want)
	}
	live.ManagedFields[0].FieldsV1.SetRawString(`{"f:spec":{"f:paused":{},"f:reason":{}}}`)
	if after := plan.After(state(live), commit(t, said), "prod", true).Servers[0]; after.Spec.Paused || after.Spec.Reason != "" {
		t.Error("what the commit before paused, and this one does not, goes on")
	}
	if len(said.Labels) != 1 || live.Labels["role"] != "web" {
		t.Error("neither the tree nor what lives is changed")
	}
}

func TestAfterPrunes(t *testing.T) {
	busy := server("busy", func(s *v1alpha1.Server) { s.Status.ActiveOperation = &v1alpha1.ActiveOperation{} })
	others := server("others", labelled(v1alpha1.LabelFleet, "stage"))
	live := state(server("idle"), busy, others, group("web", "web", "web"))
	names := func(s plan.State) (text string) {
		for _, server := range s.Servers {
			text += server.Name + " "
		}
		for _, group := range s.Groups {
			text += group.Name + " "
		}
		return text
	}
	if got := names(plan.After(live, &tree.Tree{}, "prod", true)); got != "busy others " {
		t.Errorf("with prune: got %q", got)
	}
	if got := names(plan.After(live, &tree.Tree{}, "prod", false)); got != "busy idle others web " {
		t.Errorf("without: got %q", got)
	}
}

func TestGuardVerdict(t *testing.T) {
	guard := func(repaves, deletes string) *v1alpha1.Guard {
		parse := func(s string) *intstr.IntOrString {
			if s == "" {
				return nil
			}
			v := intstr.Parse(s)
			return &v
		}
		return &v1alpha1.Guard{MaxRepaves: parse(repaves), MaxDeletes: parse(deletes)}
	}
	for name, test := range map[string]struct {
		fleet, stricter  *v1alpha1.Guard
		repaves, deletes int
		want             plan.Verdict
	}{
		"on by default":               {nil, nil, 4, 10, plan.Verdict{Allowed: true, MaxRepaves: 4, MaxDeletes: 10}},
		"one too many":                {nil, nil, 5, 0, plan.Verdict{MaxRepaves: 4, MaxDeletes: 10, Message: "5 repaves would follow, more than the 4 that the guard allows (maxRepaves 10% of 40 servers)"}},
		"both":                        {guard("0", "1"), nil, 1, 2, plan.Verdict{MaxDeletes: 1, Message: "1 repave would follow, more than the 0 that the guard allows (maxRepaves 0 of 40 servers); 2 objects would be pruned, more than the 1 that the guard allows (maxDeletes 1 of 100 objects)"}},
		"never below one":             {guard("1%", "1%"), nil, 1, 1, plan.Verdict{Allowed: true, MaxRepaves: 1, MaxDeletes: 1}},
		"rounds down":                 {guard("9%", "9%"), nil, 3, 9, plan.Verdict{Allowed: true, MaxRepaves: 3, MaxDeletes: 9}},
		"the commit tightens":         {guard("50%", ""), guard("2", ""), 3, 0, plan.Verdict{MaxRepaves: 2, MaxDeletes: 10, Message: "3 repaves would follow, more than the 2 that the guard allows (maxRepaves 2 in fleet.yaml, of 40 servers)"}},
		"and never loosens":           {guard("2", ""), guard("100%", ""), 3, 0, plan.Verdict{MaxRepaves: 2, MaxDeletes: 10, Message: "3 repaves would follow, more than the 2 that the guard allows (maxRepaves 2 of 40 servers)"}},
		"what is no number is nought": {guard("many", ""), nil, 1, 0, plan.Verdict{MaxDeletes: 10, Message: "1 repave would follow, more than the 0 that the guard allows (maxRepaves many of 40 servers)"}},
		"nothing at all":              {guard("0", "0"), nil, 0, 0, plan.Verdict{Allowed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := plan.GuardVerdict(test.fleet, test.stricter, test.repaves, test.deletes, 40, 100); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
