package operation_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// server NAME [mac=] [ipv4=] [state=] [os=] [hash=] [last=] [adopt=] [role=] [claimedBy=]: a Server is created or edited.
// server NAME anew: it is deleted and made again under its name.
// server NAME gone: it is deleted. server NAME quarantined | released | maintenance: as it says.
func verbServer(b *bench, d *datadriven.TestData) string {
	name := bare(d, 0)
	if d.HasArg("gone") {
		b.server = nil
		return "server " + name + " is gone"
	}
	if b.server == nil || b.server.Name != name || d.HasArg("anew") {
		b.server = &v1alpha1.Server{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "dc-west", UID: b.uid("srv"), CreationTimestamp: metav1.NewTime(b.now), Generation: 1},
			Spec:       v1alpha1.ServerSpec{MAC: "aa:bb:cc:dd:ee:01", IPv4: "10.0.1.5"},
		}
	}
	next := b.server.DeepCopy()
	editServer(b, d, next)
	b.server = next
	return describeServer(next)
}

func editServer(b *bench, d *datadriven.TestData, server *v1alpha1.Server) {
	server.Spec.MAC = word(d, "mac", server.Spec.MAC)
	server.Spec.IPv4 = word(d, "ipv4", server.Spec.IPv4)
	server.Spec.Maintenance = server.Spec.Maintenance || d.HasArg("maintenance")
	server.Status.State = v1alpha1.ServerState(word(d, "state", string(server.Status.State)))
	if version := word(d, "os", ""); version != "" {
		server.Status.CurrentOS, server.Status.Applied = version, &v1alpha1.Applied{OSVersion: version}
	}
	if hash := word(d, "hash", ""); hash != "" {
		server.Status.Applied.Hash = hash
		server.Status.Applied.At = metav1.NewTime(b.now)
	}
	if last := word(d, "last", ""); last != "" {
		server.Status.LastOperation = &v1alpha1.LastOperation{Name: "by-hand", UID: last, Phase: v1alpha1.OperationSucceeded, Reason: v1alpha1.ReasonSucceeded}
	}
	if d.HasArg("adopt") {
		server.Spec.Adopt = nil
		if name := word(d, "adopt", ""); name != "" {
			server.Spec.Adopt = &v1alpha1.Adoption{Profile: name}
		}
	}
	if role := word(d, "role", ""); role != "" {
		server.Labels = map[string]string{"role": role}
	}
	if owner := word(d, "claimedBy", ""); owner != "" {
		server.Status.ActiveOperation = &v1alpha1.ActiveOperation{Name: owner, UID: "uid-of-" + owner, Since: metav1.NewTime(b.now)}
	}
	if d.HasArg("unclaimed") {
		server.Status.ActiveOperation, server.Status.State = nil, v1alpha1.ServerUntouched
	}
	if d.HasArg("quarantined") {
		server.Status.Quarantine = &v1alpha1.Quarantine{Operation: "repave-old", UID: "uid-of-repave-old", Reason: v1alpha1.ReasonJobFailed, Since: metav1.NewTime(b.now)}
		server.Status.State = v1alpha1.ServerError
	}
	if d.HasArg("released") {
		server.Status.Quarantine, server.Status.State = nil, v1alpha1.ServerUntouched
	}
}

// describeServer says in one line what is known of a Server.
func describeServer(server *v1alpha1.Server) string {
	if server == nil {
		return "no server"
	}
	status := &server.Status
	text := fmt.Sprintf("%s (%s): %s", server.Name, server.UID, orNothing(string(status.State), "untouched"))
	if status.CurrentOS != "" {
		text += ", os " + status.CurrentOS
	}
	if owner := status.ActiveOperation; owner != nil {
		text += ", claimed by " + owner.Name
	}
	if q := status.Quarantine; q != nil {
		text += ", quarantined: " + q.Reason
		if q.JobMayRun {
			text += ", its job may still run"
		}
	}
	return text
}

func orNothing(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
