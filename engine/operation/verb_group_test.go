package operation_test

import (
	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// group NAME [profile=] [paused] [resumed] [for=] [because=] [forgets] [gone] [anew] [unseen]: a ServerGroup of the
// servers with role=web is created or edited; forgets, it gives its places up; unseen, the cache does not
// show it yet, only the API server does.
func verbGroup(b *bench, d *datadriven.TestData) string {
	name := bare(d, 0)
	if d.HasArg("gone") {
		if b.groupGone = d.HasArg("unseen"); !b.groupGone {
			b.group = nil
		}
		return "group " + name + " is gone"
	}
	next := b.group.DeepCopy()
	if next == nil || d.HasArg("anew") {
		next = &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "dc-west", UID: b.uid("group"), CreationTimestamp: metav1.NewTime(b.now)}}
		next.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": "web"}
	}
	next.Spec.ProvisioningProfileRef.Name = word(d, "profile", orNothing(next.Spec.ProvisioningProfileRef.Name, "os-2-0-0"))
	rollout := &next.Spec.Rollout
	rollout.Paused, rollout.Reason = !d.HasArg("resumed") && (rollout.Paused || d.HasArg("paused")), word(d, "because", "")
	if text := word(d, "for", ""); text != "" {
		until := metav1.NewTime(b.now.Add(duration(text)))
		rollout.PausedUntil = &until
	}
	if d.HasArg("forgets") {
		next.Status.InFlight = nil
	}
	if d.HasArg("unseen") {
		b.liveGroup = next
		return "the API server has it, the cache not yet"
	}
	b.group = next
	return ""
}

// fleet NAME [suspended] [resumed] [because=]: a Fleet, from which the group comes.
func verbFleet(b *bench, d *datadriven.TestData) string {
	b.fleet = &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: bare(d, 0)},
		Spec: v1alpha1.FleetSpec{Suspend: d.HasArg("suspended"), Reason: word(d, "because", "")}}
	return ""
}

// takes notes in the group's status that an Operation is its own.
func (b *bench) takes(operation string) {
	if b.group == nil {
		return
	}
	b.group = b.group.DeepCopy()
	b.group.Status.InFlight = append(b.group.Status.InFlight, v1alpha1.InFlightServer{Server: "server-001", Operation: operation})
}
