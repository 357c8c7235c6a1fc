package cli

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// none stands where there is nothing, so that columns can be told apart by their number.
const none = "-"

func cell(text string) render.Cell { return render.Text(render.Or(text, none)) }

func asServer(object client.Object) *v1alpha1.Server {
	server, ok := object.(*v1alpha1.Server)
	if !ok {
		return &v1alpha1.Server{}
	}
	return server
}

func asDatacenter(object client.Object) *v1alpha1.Datacenter {
	dc, ok := object.(*v1alpha1.Datacenter)
	if !ok {
		return &v1alpha1.Datacenter{}
	}
	return dc
}

func serverRow(object client.Object, v view) []render.Cell {
	server := asServer(object)
	active := ""
	if server.Status.ActiveOperation != nil {
		active = server.Status.ActiveOperation.Name
	}
	note, colour := serverNote(server)
	row := []render.Cell{
		cell(server.Name), {Text: render.Or(string(server.Status.State), none), Colour: stateColour(server.Status.State)},
		cell(server.Status.CurrentOS), cell(server.Spec.IPv4),
		cell(render.Age(server.CreationTimestamp.Time, v.now)), cell(active), {Text: render.Or(note, none), Colour: colour},
	}
	if !v.wide {
		return row
	}
	profile, dc := "", ""
	if server.Status.Applied != nil {
		profile = server.Status.Applied.Profile
	}
	if server.Spec.DatacenterRef != nil {
		dc = server.Spec.DatacenterRef.Name
	}
	return append(row, cell(server.Spec.MAC), cell(server.Spec.Inventory.Location), cell(server.Spec.Inventory.SKU),
		cell(profile), cell(server.Status.Power), cell(dc))
}

// serverNote says what keeps Operations off a server, if anything does.
func serverNote(server *v1alpha1.Server) (string, render.Colour) {
	because := ""
	if server.Spec.Reason != "" {
		because = ": " + server.Spec.Reason
	}
	switch {
	case server.DeletionTimestamp != nil:
		return "being deleted", render.Held
	case server.Status.Quarantine != nil:
		return "quarantined: " + server.Status.Quarantine.Reason, render.Bad
	case server.Spec.Paused:
		return "paused" + because, render.Held
	case server.Spec.Maintenance:
		return "maintenance" + because, render.Held
	}
	return "", render.Plain
}

func stateColour(state v1alpha1.ServerState) render.Colour {
	switch state {
	case v1alpha1.ServerReady:
		return render.Good
	case v1alpha1.ServerProvisioning, v1alpha1.ServerRebooting:
		return render.Busy
	case v1alpha1.ServerError, v1alpha1.ServerUnreachable:
		return render.Bad
	default:
		return render.Plain
	}
}

func serverChange(object client.Object, _ view) string {
	server := asServer(object)
	words := []string{render.Or(string(server.Status.State), "untouched")}
	if server.Status.CurrentOS != "" {
		words = append(words, server.Status.CurrentOS)
	}
	if server.Status.ActiveOperation != nil {
		words = append(words, "claimed by "+server.Status.ActiveOperation.Name)
	}
	if note, _ := serverNote(server); note != "" {
		words = append(words, note)
	}
	return strings.Join(words, " ")
}

func datacenterRow(object client.Object, v view) []render.Cell {
	dc := asDatacenter(object)
	reachable, colour := conditionWord(dc.Status.Conditions, v1alpha1.ConditionReachable)
	note, noteColour := datacenterNote(dc)
	row := []render.Cell{
		cell(dc.Name), cell(string(dc.Spec.Driver)), {Text: reachable, Colour: colour}, cell(dc.Status.APIVersion),
		cell(fmt.Sprint(dc.Status.Load.Active)), cell(fmt.Sprint(dc.Status.Load.Waiting)),
		cell(render.Age(dc.CreationTimestamp.Time, v.now)), {Text: render.Or(note, none), Colour: noteColour},
	}
	if !v.wide {
		return row
	}
	limit := ""
	if n := dc.Spec.Limits.ConcurrentOperations; n > 0 {
		limit = fmt.Sprint(n)
	}
	once, _ := conditionWord(dc.Status.Conditions, v1alpha1.ConditionExactlyOnce)
	return append(row, cell(limit), cell(once), cell(dc.Spec.Endpoint), cell(strings.Join(dc.Status.Capabilities, ",")))
}

func datacenterNote(dc *v1alpha1.Datacenter) (string, render.Colour) {
	reachable := meta.FindStatusCondition(dc.Status.Conditions, v1alpha1.ConditionReachable)
	switch {
	case dc.Spec.Paused && dc.Spec.Reason != "":
		return "paused: " + dc.Spec.Reason, render.Held
	case dc.Spec.Paused:
		return "paused", render.Held
	case reachable != nil && reachable.Status == metav1.ConditionFalse:
		return reachable.Reason + ": " + reachable.Message, render.Bad
	}
	return "", render.Plain
}

func datacenterChange(object client.Object, _ view) string {
	dc := asDatacenter(object)
	words := []string{"not looked at yet"}
	if reachable := meta.FindStatusCondition(dc.Status.Conditions, v1alpha1.ConditionReachable); reachable != nil {
		words[0] = map[metav1.ConditionStatus]string{metav1.ConditionTrue: "reachable", metav1.ConditionFalse: "unreachable"}[reachable.Status]
	}
	words = append(words, fmt.Sprintf("active %d waiting %d", dc.Status.Load.Active, dc.Status.Load.Waiting))
	if note, _ := datacenterNote(dc); note != "" {
		words = append(words, note)
	}
	return strings.Join(words, " ")
}

// conditionWord is the status of a condition as a cell.
func conditionWord(conditions []metav1.Condition, kind string) (string, render.Colour) {
	condition := meta.FindStatusCondition(conditions, kind)
	switch {
	case condition == nil:
		return none, render.Plain
	case condition.Status == metav1.ConditionTrue:
		return "True", render.Good
	case condition.Status == metav1.ConditionFalse:
		return "False", render.Bad
	}
	return "Unknown", render.Held
}

func profileRow(object client.Object, v view) []render.Cell {
	profile, ok := object.(*v1alpha1.ProvisioningProfile)
	if !ok {
		return nil
	}
	row := []render.Cell{cell(profile.Name), cell(profile.Spec.OSVersion), cell(render.Age(profile.CreationTimestamp.Time, v.now))}
	if !v.wide {
		return row
	}
	return append(row, cell(profile.Status.Hash), cell(profile.Spec.OSImage), cell(profile.Spec.OSImageChecksum))
}

func profileChange(object client.Object, _ view) string {
	profile, ok := object.(*v1alpha1.ProvisioningProfile)
	if !ok {
		return ""
	}
	return profile.Spec.OSVersion
}
