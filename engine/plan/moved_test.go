package plan_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/plan"
)

// machine is a Server that is known by a MAC.
func machine(name, mac string, change ...func(*v1alpha1.Server)) *v1alpha1.Server {
	s := server(name, change...)
	s.UID, s.Spec.MAC = types.UID("uid-"+name), mac
	return s
}

func in(namespace string) func(*v1alpha1.Server) {
	return func(s *v1alpha1.Server) { s.Namespace = namespace }
}

func adopts(profile string) func(*v1alpha1.Server) {
	return func(s *v1alpha1.Server) { s.Spec.Adopt = &v1alpha1.Adoption{Profile: profile} }
}

func spec(change func(*v1alpha1.ServerSpec)) func(*v1alpha1.Server) {
	return func(s *v1alpha1.Server) { change(&s.Spec) }
}

func TestMoved(t *testing.T) {
	t.Parallel()
	const mac, other = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"
	east := func(g *v1alpha1.ServerGroup) { g.Namespace = "east" }
	web, webEast := group("web", "web", "web"), group("web", "web", "web", east)
	old := machine("old", mac, runs("web", "1"))
	address := spec(func(s *v1alpha1.ServerSpec) { s.IPv4 = "10.0.0.1" })
	serial := spec(func(s *v1alpha1.ServerSpec) { s.Inventory.SerialNumber = "SN-1" })
	bmc := func(address string) func(*v1alpha1.Server) {
		return spec(func(s *v1alpha1.ServerSpec) { s.BMC = &v1alpha1.BMC{Address: address} })
	}
	active := func(s *v1alpha1.Server) { s.Status.ActiveOperation = &v1alpha1.ActiveOperation{} }
	going := func(s *v1alpha1.Server) { s.DeletionTimestamp = &metav1.Time{Time: noon} }
	for name, test := range map[string]struct {
		before, after plan.State
		want          string
	}{
		"nothing moved":                       {state(old, web), state(old, web), ""},
		"renamed":                             {state(old, web), state(machine("new", mac), web), "dc/old>dc/new mac " + mac},
		"renamed, and the old one stays":      {state(old, web), state(old, machine("new", mac), web), "dc/old>dc/new mac " + mac},
		"renamed in another case":             {state(old, web), state(machine("new", strings.ToUpper(mac)), web), "dc/old>dc/new mac " + mac},
		"renamed and adopted":                 {state(old, web), state(machine("new", mac, adopts("web")), web), ""},
		"renamed, in no group":                {state(old, web), state(machine("new", mac, labelled("role", "db")), web), ""},
		"renamed, in two groups":              {state(old, web), state(machine("new", mac), web, group("too", "web", "web")), ""},
		"another namespace":                   {state(old, web), state(machine("old", mac, in("east")), webEast), "dc/old>east/old mac " + mac},
		"another namespace, adopted":          {state(old, web), state(machine("old", mac, in("east"), adopts("web")), webEast), ""},
		"another machine":                     {state(old, web), state(old, machine("new", other), web), ""},
		"never touched":                       {state(machine("old", mac), web), state(machine("new", mac), web), ""},
		"never touched, and a job is on it":   {state(machine("old", mac, active), web), state(machine("new", mac), web), "dc/old>dc/new mac " + mac},
		"was to be adopted":                   {state(machine("old", mac, adopts("web")), web), state(machine("new", mac), web), "dc/old>dc/new mac " + mac},
		"by its boot MAC":                     {state(old, web), state(machine("new", other, spec(func(s *v1alpha1.ServerSpec) { s.BootMACAddress = mac })), web), "dc/old>dc/new mac " + mac},
		"by its BMC":                          {state(machine("old", mac, runs("web", "1"), bmc("https://10.9.0.1/")), web), state(machine("new", other, in("east"), bmc("10.9.0.1")), webEast), "dc/old>east/new bmc 10.9.0.1"},
		"by its address":                      {state(machine("old", mac, runs("web", "1"), address), web), state(machine("new", other, address), web), "dc/old>dc/new address 10.0.0.1"},
		"another address of that number":      {state(machine("old", mac, runs("web", "1"), address), web), state(machine("new", other, address, in("east")), webEast), ""},
		"by its serial number":                {state(machine("old", mac, runs("web", "1"), serial), web), state(machine("new", other, serial, in("east")), webEast), "dc/old>east/new serial number SN-1"},
		"a serial number of many":             {state(machine("old", mac, runs("web", "1"), serial), machine("too", "aa:bb:cc:00:00:03", runs("web", "1"), serial), web), state(machine("new", other, serial), web), ""},
		"the same as before":                  {state(old, machine("new", mac), web), state(old, machine("new", mac), web), ""},
		"the old one leaves now":              {state(old, machine("new", mac), web), state(machine("new", mac), web), "dc/old>dc/new mac " + mac},
		"selected now":                        {state(old, machine("new", mac)), state(old, machine("new", mac), web), "dc/old>dc/new mac " + mac},
		"its MAC is corrected into another's": {state(old, machine("new", other), web), state(old, machine("new", mac), web), "dc/old>dc/new mac " + mac},
		"the new one is on its way out":       {state(old, web), state(machine("new", mac, going), web), ""},
		"another datacenter of the namespace": {state(old, web), state(machine("old", mac, runs("web", "1"), spec(func(s *v1alpha1.ServerSpec) {
			s.DatacenterRef = &v1alpha1.LocalReference{Name: "hall-2"}
		})), web), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := ""
			for _, move := range plan.Moved(test.before, test.after) {
				text += move.From.Namespace + "/" + move.From.Name + ">" + move.To.Namespace + "/" + move.To.Name + " " + move.What
			}
			if text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

func TestMovesNeedAnApproval(t *testing.T) {
	t.Parallel()
	move := plan.Move{From: machine("old", "aa", runs("web", "1")), To: machine("new", "aa"), What: "mac aa"}
	within := plan.Verdict{Allowed: true, MaxRepaves: 4, MaxDeletes: 10}
	if got := within.With(nil); got != within {
		t.Errorf("without a move: %+v", got)
	}
	const told = "Server dc/new is the machine that is in use as Server dc/old (mac aa), nothing is recorded of it under that name, and it would be wiped: " +
		"add spec.adopt{profile: web} to keep what it runs, or approve the commit to have it wiped"
	if got := within.With([]plan.Move{move}); got.Allowed || got.Message != told || got.MaxRepaves != 4 {
		t.Errorf("one: %+v", got)
	}
	over := plan.Verdict{Message: "5 repaves would follow"}
	if got, want := over.With([]plan.Move{move, move}).Message, "5 repaves would follow; 2 machines in use would be wiped under other names, the first of them: "+told; got != want {
		t.Errorf("two, and too many repaves: %q", got)
	}
	move.From.Status.Applied = nil
	if got := within.With([]plan.Move{move}).Message; !strings.Contains(got, "adopt{profile: …}") {
		t.Errorf("nothing tells what it runs: %q", got)
	}
}
