package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// hookContext is what a script sees as ctx, in the words of the facts that rules are asked about: plain
// values only. What is not known is not there. A time is written as RFC 3339 has it.
func hookContext(p *pass, effect operation.RunHook) map[string]any {
	op := p.Operation
	ctx := map[string]any{
		"hook":       map[string]any{"name": effect.Hook.Name, "when": string(effect.Hook.When), "run": effect.Run},
		"operation":  operationContext(op),
		"server":     serverContext(p.Server, string(op.UID)),
		"profile":    map[string]any{},
		"group":      map[string]any{"name": op.Labels[v1alpha1.LabelGroup]},
		"datacenter": map[string]any{"name": p.Site.Name, "namespace": op.Namespace},
		"requester":  map[string]any{"username": op.Annotations[v1alpha1.AnnotationRequester]},
		"source":     map[string]any{"commit": op.Annotations[v1alpha1.AnnotationCommit], "author": op.Annotations[v1alpha1.AnnotationAuthor], "signedBy": op.Annotations[v1alpha1.AnnotationSignedBy]},
		"now":        moment(p.Now),
	}
	if p.Profile != nil {
		profile := map[string]any{"name": p.Profile.Name, "hash": p.Profile.Hash}
		if p.Profile.Image != nil {
			profile["osVersion"] = p.Profile.Image.OSVersion
		}
		ctx["profile"] = profile
	}
	if attempt := op.Status.LastAttempt(); attempt != nil {
		ctx["attempt"] = map[string]any{"number": attempt.Number, "requestID": attempt.RequestID, "jobID": attempt.JobID}
	}
	if job := effect.Job; job != nil {
		ctx["job"] = map[string]any{"succeeded": job.Phase == v1alpha1.OperationSucceeded, "reason": job.Reason, "message": job.Message}
	}
	return known(ctx)
}

// known leaves out what is empty, at any depth: a script asks "is there a node?" and not "is it called
// nothing?". The tables themselves stay, so that a script may look into each.
func known(values map[string]any) map[string]any {
	for key, value := range values {
		switch value := value.(type) {
		case string:
			if value == "" {
				delete(values, key)
			}
		case map[string]any:
			known(value)
		}
	}
	return values
}

func operationContext(op *v1alpha1.Operation) map[string]any {
	return map[string]any{
		"name": op.Name, "namespace": op.Namespace, "uid": string(op.UID), "action": string(op.Spec.Operation),
		"priority": op.Spec.Priority, "created": moment(op.CreationTimestamp.Time), "labels": plain(op.Labels),
		"adHoc": op.Labels[v1alpha1.LabelGroup] == "",
	}
}

// serverContext tells of a server as it was before the Operation took it.
func serverContext(server *v1alpha1.Server, uid string) map[string]any {
	if server == nil {
		return map[string]any{}
	}
	status := &server.Status
	state := status.State
	if active := status.ActiveOperation; active != nil && active.UID == uid {
		state = active.PreviousState
	}
	told := map[string]any{
		"name": server.Name, "namespace": server.Namespace, "uid": string(server.UID), "labels": plain(server.Labels), "state": string(state),
		"os": status.CurrentOS, "power": status.Power, "nodeName": status.NodeName, "mac": server.Spec.MAC, "ipv4": server.Spec.IPv4,
		"sku": server.Spec.Inventory.SKU, "location": server.Spec.Inventory.Location, "hardware": plain(status.Hardware),
	}
	if status.Applied != nil {
		told["profile"], told["lastRepaved"] = status.Applied.Profile, moment(status.Applied.At.Time)
	}
	return told
}

func plain(values map[string]string) map[string]any {
	all := map[string]any{}
	for key, value := range values {
		all[key] = value
	}
	return all
}

func moment(at time.Time) string { return metav1.NewTime(at).UTC().Format(time.RFC3339) }
