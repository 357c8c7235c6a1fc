package cli

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// statusReport is what `stargate status -o json` prints.
type statusReport struct {
	render.Header
	Sites       []namespaceSummary  `json:"sites"`
	Held        []heldSummary       `json:"held"`
	Quarantined []quarantineSummary `json:"quarantined"`
	Paused      []pauseSummary      `json:"paused"`
	// Fleets and Rollouts that are not done: what is up to date is only counted.
	Fleets   []fleetSummary `json:"fleets"`
	Rollouts []groupSummary `json:"rollouts"`
	Groups   groupCounts    `json:"groups"`
}

// fleetSummary is a fleet in a line.
type fleetSummary struct {
	Name    string `json:"name"`
	Ready   string `json:"ready"`
	Applied string `json:"applied,omitempty"`
	Note    string `json:"note,omitempty"`
}

// groupCounts counts groups by where their rollouts stand.
type groupCounts struct {
	Total    int `json:"total"`
	UpToDate int `json:"upToDate"`
}

// namespaceSummary counts one datacenter's room.
type namespaceSummary struct {
	Namespace   string          `json:"namespace"`
	Datacenters []siteSummary   `json:"datacenters"`
	Servers     serverCounts    `json:"servers"`
	Operations  operationCounts `json:"operations"`
}

type siteSummary struct {
	Name      string `json:"name"`
	Reachable string `json:"reachable"`
	Paused    bool   `json:"paused"`
}

type serverCounts struct {
	Total     int `json:"total"`
	Ready     int `json:"ready"`
	Busy      int `json:"busy"`
	Off       int `json:"off"`
	Untouched int `json:"untouched"`
	Failed    int `json:"failed"`
}

type operationCounts struct {
	Running   int `json:"running"`
	Held      int `json:"held"`
	Waiting   int `json:"waiting"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Denied    int `json:"denied"`
	Cancelled int `json:"cancelled"`
}

// heldSummary folds Operations that are held by the same thing.
type heldSummary struct {
	Namespace  string `json:"namespace"`
	Source     string `json:"source"`
	Rule       string `json:"rule,omitempty"`
	Reason     string `json:"reason"`
	Message    string `json:"message"`
	ClearsWhen string `json:"clearsWhen,omitempty"`
	Operations int    `json:"operations"`
}

type quarantineSummary struct {
	Namespace string `json:"namespace"`
	Server    string `json:"server"`
	Operation string `json:"operation"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	JobMayRun bool   `json:"jobMayRun"`
}

type pauseSummary struct {
	Namespace string `json:"namespace"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Reason    string `json:"reason"`
}

// summarise counts a fleet.
func summarise(datacenters, servers, operations []client.Object) *statusReport {
	report := &statusReport{
		Header: render.HeaderOf("Status"), Sites: []namespaceSummary{}, Held: []heldSummary{},
		Quarantined: []quarantineSummary{}, Paused: []pauseSummary{},
		Fleets: []fleetSummary{}, Rollouts: []groupSummary{},
	}
	rooms := map[string]*namespaceSummary{}
	room := func(namespace string) *namespaceSummary {
		if rooms[namespace] == nil {
			rooms[namespace] = &namespaceSummary{Namespace: namespace, Datacenters: []siteSummary{}}
		}
		return rooms[namespace]
	}
	for _, object := range datacenters {
		report.addSite(room(object.GetNamespace()), asDatacenter(object))
	}
	for _, object := range servers {
		report.addServer(room(object.GetNamespace()), asServer(object))
	}
	for _, object := range operations {
		report.addOperation(room(object.GetNamespace()), asOperation(object))
	}
	for _, each := range rooms {
		report.Sites = append(report.Sites, *each)
	}
	slices.SortFunc(report.Sites, func(a, b namespaceSummary) int { return strings.Compare(a.Namespace, b.Namespace) })
	slices.SortStableFunc(report.Held, func(a, b heldSummary) int { return b.Operations - a.Operations })
	return report
}

func (r *statusReport) addSite(room *namespaceSummary, dc *v1alpha1.Datacenter) {
	summary := siteSummary{Name: dc.Name, Reachable: "Unknown", Paused: dc.Spec.Paused}
	if condition := meta.FindStatusCondition(dc.Status.Conditions, v1alpha1.ConditionReachable); condition != nil {
		summary.Reachable = string(condition.Status)
	}
	room.Datacenters = append(room.Datacenters, summary)
	if dc.Spec.Paused {
		r.Paused = append(r.Paused, pauseSummary{dc.Namespace, "Datacenter", dc.Name, render.Clean(dc.Spec.Reason)})
	}
}

func (r *statusReport) addFleet(fleet *v1alpha1.Fleet) {
	ready, _ := conditionWord(fleet.Status.Conditions, v1alpha1.ConditionReady)
	note, _ := fleetNote(fleet)
	r.Fleets = append(r.Fleets, fleetSummary{fleet.Name, ready, fleet.Status.LastAppliedRevision, render.Clean(note)})
	if fleet.Spec.Suspend {
		r.Paused = append(r.Paused, pauseSummary{"", "Fleet", fleet.Name, render.Clean(fleet.Spec.Reason)})
	}
}

func (r *statusReport) addGroup(group *v1alpha1.ServerGroup) {
	r.Groups.Total++
	if summary := summaryOf(group); summary.State == rolloutDone && summary.Failed == 0 {
		r.Groups.UpToDate++
	} else {
		r.Rollouts = append(r.Rollouts, summary)
	}
	if rollout := &group.Spec.Rollout; rollout.Paused {
		r.Paused = append(r.Paused, pauseSummary{group.Namespace, "ServerGroup", group.Name, render.Clean(rollout.Reason)})
	}
}

func (r *statusReport) addServer(room *namespaceSummary, server *v1alpha1.Server) {
	counts := &room.Servers
	counts.Total++
	switch server.Status.State {
	case v1alpha1.ServerReady:
		counts.Ready++
	case v1alpha1.ServerProvisioning, v1alpha1.ServerRebooting:
		counts.Busy++
	case v1alpha1.ServerOff:
		counts.Off++
	case v1alpha1.ServerUntouched:
		counts.Untouched++
	default:
		counts.Failed++
	}
	if q := server.Status.Quarantine; q != nil {
		r.Quarantined = append(r.Quarantined, quarantineSummary{
			server.Namespace, server.Name, q.Operation, q.Reason, render.Clean(q.Message), q.JobMayRun})
	}
	if server.Spec.Paused || server.Spec.Maintenance {
		r.Paused = append(r.Paused, pauseSummary{server.Namespace, "Server", server.Name, render.Clean(server.Spec.Reason)})
	}
}

func (r *statusReport) addOperation(room *namespaceSummary, op *v1alpha1.Operation) {
	counts := &room.Operations
	switch op.Status.Phase {
	case v1alpha1.OperationSucceeded:
		counts.Succeeded++
	case v1alpha1.OperationFailed:
		counts.Failed++
	case v1alpha1.OperationDenied:
		counts.Denied++
	case v1alpha1.OperationCancelled:
		counts.Cancelled++
	default:
		r.addLive(counts, op)
	}
}

func (r *statusReport) addLive(counts *operationCounts, op *v1alpha1.Operation) {
	switch {
	case heldNow(op):
		counts.Held++
		r.addHold(op)
	case op.Status.Phase == v1alpha1.OperationRunning:
		counts.Running++
	default:
		counts.Waiting++
	}
}

// addHold folds an Operation's first hold into those that are known.
func (r *statusReport) addHold(op *v1alpha1.Operation) {
	hold := op.Status.Holds[0]
	for i := range r.Held {
		known := &r.Held[i]
		if known.Namespace == op.Namespace && known.Source == hold.Source && known.Rule == hold.Rule && known.Reason == hold.Reason {
			known.Operations++
			return
		}
	}
	r.Held = append(r.Held, heldSummary{
		Namespace: op.Namespace, Source: hold.Source, Rule: hold.Rule, Reason: hold.Reason,
		Message: render.Clean(hold.Message), ClearsWhen: render.Clean(hold.ClearsWhen), Operations: 1,
	})
}
