package cli

import (
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// kind is what the commands need to know of a kind to name it, read it and show it.
type kind struct {
	title    string   // as in the API: Operation
	singular string   // as people type it: operation
	aliases  []string // plural and short name
	cluster  bool     // of the whole cluster, in no namespace
	object   func() client.Object
	list     func() client.ObjectList
	header   []string
	wide     []string
	row      func(client.Object, view) []render.Cell
	change   func(client.Object, view) string
	ended    func(client.Object) bool
}

// view is how rows are to be shown.
type view struct {
	now   time.Time
	wide  bool
	style render.Style
}

// kinds in the order that help texts name them.
func kinds() []kind {
	return []kind{operationKind(), serverKind(), groupKind(), fleetKind(), datacenterKind(), profileKind()}
}

func operationKind() kind {
	return kind{
		title: "Operation", singular: "operation", aliases: []string{"operations", "op", "ops"},
		object: func() client.Object { return &v1alpha1.Operation{} },
		list:   func() client.ObjectList { return &v1alpha1.OperationList{} },
		header: []string{"NAME", "SERVER", "OPERATION", "PHASE", "AGE", "PROGRESS"},
		wide:   []string{"DATACENTER", "ATTEMPT", "JOB", "UNTIL", "COMMIT", "MESSAGE"},
		row:    operationRow, change: operationChange,
		ended: func(o client.Object) bool { return asOperation(o).Status.Phase.Terminal() },
	}
}

func serverKind() kind {
	return kind{
		title: "Server", singular: "server", aliases: []string{"servers", "srv"},
		object: func() client.Object { return &v1alpha1.Server{} },
		list:   func() client.ObjectList { return &v1alpha1.ServerList{} },
		header: []string{"NAME", "STATE", "OS", "IPV4", "AGE", "OPERATION", "NOTE"},
		wide:   []string{"MAC", "LOCATION", "SKU", "PROFILE", "POWER", "DATACENTER"},
		row:    serverRow, change: serverChange,
	}
}

func datacenterKind() kind {
	return kind{
		title: "Datacenter", singular: "datacenter", aliases: []string{"datacenters", "dc", "dcs"},
		object: func() client.Object { return &v1alpha1.Datacenter{} },
		list:   func() client.ObjectList { return &v1alpha1.DatacenterList{} },
		header: []string{"NAME", "DRIVER", "REACHABLE", "API", "ACTIVE", "WAITING", "AGE", "NOTE"},
		wide:   []string{"LIMIT", "EXACTLY-ONCE", "ENDPOINT", "CAPABILITIES"},
		row:    datacenterRow, change: datacenterChange,
	}
}

func profileKind() kind {
	return kind{
		title: "ProvisioningProfile", singular: "profile",
		aliases: []string{"profiles", "pp", "provisioningprofile", "provisioningprofiles"},
		object:  func() client.Object { return &v1alpha1.ProvisioningProfile{} },
		list:    func() client.ObjectList { return &v1alpha1.ProvisioningProfileList{} },
		header:  []string{"NAME", "OS", "AGE"},
		wide:    []string{"HASH", "IMAGE", "CHECKSUM"},
		row:     profileRow, change: profileChange,
	}
}

func groupKind() kind {
	return kind{
		title: "ServerGroup", singular: "group",
		aliases: []string{"groups", "sg", "servergroup", "servergroups"},
		object:  func() client.Object { return &v1alpha1.ServerGroup{} },
		list:    func() client.ObjectList { return &v1alpha1.ServerGroupList{} },
		header:  []string{"NAME", "PROFILE", "SERVERS", "UPDATED", "READY", "WAVE", "AGE", "NOTE"},
		wide:    []string{"UNAVAILABLE", "FAILED", "DRIFTED", "SKIPPED", "REVISION", "FLEET", "UNTIL", "COMMIT", "MESSAGE"},
		row:     groupRow, change: groupChange,
	}
}

func fleetKind() kind {
	return kind{
		title: "Fleet", singular: "fleet", aliases: []string{"fleets", "fl"}, cluster: true,
		object: func() client.Object { return &v1alpha1.Fleet{} },
		list:   func() client.ObjectList { return &v1alpha1.FleetList{} },
		header: []string{"NAME", "READY", "REVISION", "AGE", "NOTE"},
		wide:   []string{"URL", "REF", "PATH", "ATTEMPTED", "OBJECTS", "MESSAGE"},
		row:    fleetRow, change: fleetChange,
	}
}

// in says in which namespace an object of the kind was looked for.
func (k kind) in(namespace string) string {
	if k.cluster || namespace == "" {
		return ""
	}
	return " in namespace " + namespace
}

// named says "ServerGroup web in namespace dc-west".
func (k kind) named(object client.Object) string {
	return k.title + " " + object.GetName() + k.in(object.GetNamespace())
}

// is tells whether a word names the kind. The group may follow, as in operations.stargate.io.
func (k kind) is(word string) bool {
	word, _ = strings.CutSuffix(strings.ToLower(word), "."+v1alpha1.GroupVersion.Group)
	return word == k.singular || slices.Contains(k.aliases, word)
}

// fullName is what -o name prints, and what kubectl takes back: operation.stargate.io/NAME.
func (k kind) fullName(name string) string {
	return strings.ToLower(k.title) + "." + v1alpha1.GroupVersion.Group + "/" + name
}

// target is a kind with the names that follow it.
type target struct {
	kind  kind
	names []string
}

// parseTarget reads "operation a b", "op/a op/b" and "operations" alike, as kubectl does.
func parseTarget(args []string, allowed ...kind) (target, error) {
	if len(args) == 0 {
		return target{}, usagef("expected %s", kindWords(allowed))
	}
	if !strings.Contains(args[0], "/") {
		found, err := findKind(args[0], allowed)
		return target{kind: found, names: args[1:]}, err
	}
	var result target
	for _, arg := range args {
		word, name, slash := strings.Cut(arg, "/")
		found, err := findKind(word, allowed)
		if err != nil {
			return target{}, err
		}
		if !slash || name == "" || (len(result.names) > 0 && found.title != result.kind.title) {
			return target{}, usagef("expected every argument as %s/NAME, got %q", render.Or(result.kind.singular, found.singular), render.Clean(arg))
		}
		result.kind, result.names = found, append(result.names, name)
	}
	return result, nil
}

func findKind(word string, allowed []kind) (kind, error) {
	for _, each := range allowed {
		if each.is(word) {
			return each, nil
		}
	}
	return kind{}, usagef("expected %s, got %q", kindWords(allowed), render.Clean(word))
}

// kindWords says "operation, server or datacenter".
func kindWords(allowed []kind) string {
	words := make([]string, 0, len(allowed))
	for _, each := range allowed {
		words = append(words, each.singular)
	}
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// oneName checks that a target names exactly one object.
func (t target) oneName() (string, error) {
	if len(t.names) != 1 {
		return "", usagef("expected the name of one %s, got %s", t.kind.singular, render.Count(len(t.names), "name"))
	}
	return t.names[0], nil
}
