package operation_test

import (
	"fmt"
	"time"

	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// operation ACTION [name=] [server=] [profile=] [retries=] [timeout=] [ttl=] [priority=] [serverUID=]
// [onlyIfNeeded] [unstamped] [expect=] [after=] [group=] [commit=]: somebody creates an Operation, and the story goes on with that one.
// Admission stamps it with the finalizer, which saves a write; unstamped, it was not there to do so.
func verbOperation(b *bench, d *datadriven.TestData) string {
	action := v1alpha1.Action(bare(d, 0))
	op := &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Name: word(d, "name", string(action)), Namespace: "dc-west", UID: b.uid("op"),
			CreationTimestamp: metav1.NewTime(b.now), Generation: 1},
		Spec: v1alpha1.OperationSpec{
			Operation: action, ServerRef: v1alpha1.ServerReference{Name: word(d, "server", "server-001"), UID: word(d, "serverUID", "")},
			Retries: int32(number(d, "retries")), Priority: int32(number(d, "priority")), OnlyIfNeeded: d.HasArg("onlyIfNeeded"),
		},
	}
	if action == v1alpha1.ActionRepave {
		op.Spec.ProvisioningProfileRef = &v1alpha1.LocalReference{Name: word(d, "profile", "os-2-0-0")}
	}
	if text := word(d, "timeout", ""); text != "" {
		op.Spec.Timeout = &metav1.Duration{Duration: duration(text)}
	}
	if d.HasArg("ttl") {
		ttl := int32(number(d, "ttl"))
		op.Spec.TTLSecondsAfterFinished = &ttl
	}
	if d.HasArg("expect") || d.HasArg("after") {
		op.Spec.Expected = &v1alpha1.Expected{ProfileHash: word(d, "expect", ""), LastOperation: word(d, "after", "")}
	}
	if group := word(d, "group", ""); group != "" {
		op.Labels = map[string]string{v1alpha1.LabelGroup: group}
		op.Annotations = map[string]string{v1alpha1.AnnotationCommit: word(d, "commit", ""), v1alpha1.AnnotationAuthor: "ada", v1alpha1.AnnotationSignedBy: "key-1"}
		b.takes(op.Name)
	}
	if !d.HasArg("unstamped") {
		op.Finalizers = []string{v1alpha1.Finalizer}
	}
	b.op, b.gone = op, false
	b.calling, b.reply, b.lastCall, b.intent, b.landed = nil, nil, time.Time{}, "", false
	b.running, b.hookReply = nil, nil
	return fmt.Sprintf("%s %s, uid %s", action, op.Name, op.UID)
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}
