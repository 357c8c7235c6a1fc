package fault

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// scenario is what is asked of the controller, and what must come of it whatever happens on the way.
type scenario struct {
	name string
	site site.Config
	// meddle is what a person does once the job runs; nil for nothing.
	meddle func(*room, *v1alpha1.Operation) error
	// end that must come; empty where the Operation must be gone.
	end v1alpha1.OperationPhase
}

// endless makes a repave that never ends by itself, so that only a cancellation ends it, however long
// the controller was away.
var endless = site.Config{Duration: 2 * time.Second, Faults: []site.Fault{{Kind: site.HangJob, Action: "repave"}}}

var scenarios = []scenario{
	{name: "repave", site: site.Config{Duration: 200 * time.Millisecond}, end: v1alpha1.OperationSucceeded},
	{name: "cancel", site: endless, meddle: cancelIt, end: v1alpha1.OperationCancelled},
	{name: "delete", site: endless, meddle: deleteIt},
}

func cancelIt(r *room, op *v1alpha1.Operation) error {
	asked := op.DeepCopy()
	return client.IgnoreNotFound(r.patch(asked, func() { asked.Spec.Cancel = true }))
}

func deleteIt(r *room, op *v1alpha1.Operation) error {
	return client.IgnoreNotFound(r.live.Delete(context.Background(), op, client.Preconditions{UID: &op.UID}))
}

// play runs a scenario to its end, and judges it. arm puts the faults in place before the controller
// starts; nil for none.
func (s scenario) play(r *room, arm func()) {
	r.Helper()
	s.playThen(r, arm, func() {})
}

// playThen does something more between the end and what comes after it.
func (s scenario) playThen(r *room, arm, then func()) {
	r.Helper()
	op := operation(r.namespace, s.name, 1, v1alpha1.ActionRepave)
	r.create(server(r.namespace, 1), op)
	if arm != nil {
		arm()
	}
	r.start()
	if s.meddle != nil {
		r.until("the job runs", func() bool { return r.phase(op) == v1alpha1.OperationRunning })
		if err := s.meddle(r, op); err != nil {
			r.Fatal(err)
		}
	}
	r.until("the end", func() bool { return r.phase(op) == s.end && r.settled(op) })
	then()
	r.aftermath(op)
}

// aftermath judges an Operation that has ended, shows with a second one on the same server that
// nothing of the first is in its way, and takes both away.
func (r *room) aftermath(op *v1alpha1.Operation) {
	r.Helper()
	r.api.Use(nil)
	r.dc.Use(nil)
	r.judge(op)
	r.release(op)
	next := operation(r.namespace, "next", 1, v1alpha1.ActionInspect)
	r.create(next)
	r.until("the next Operation on the server succeeds", func() bool {
		return r.phase(next) == v1alpha1.OperationSucceeded && r.settled(next)
	})
	r.judge(next)
	for _, ended := range []*v1alpha1.Operation{op, next} {
		if err := deleteIt(r, ended); err != nil && !apierrors.IsConflict(err) {
			r.Error(err)
		}
	}
	r.until("both are gone", func() bool { return r.phase(op) == "" && r.phase(next) == "" })
}

// release lets a quarantined server go, as a person would.
func (r *room) release(op *v1alpha1.Operation) {
	r.Helper()
	object := &v1alpha1.Server{}
	object.Namespace, object.Name = op.Namespace, op.Spec.ServerRef.Name
	if r.see(object) && object.Status.Quarantine != nil {
		err := r.patch(object, func() {
			metav1.SetMetaDataAnnotation(&object.ObjectMeta, v1alpha1.AnnotationRelease, object.Status.Quarantine.UID)
		})
		if err != nil {
			r.Fatal(err)
		}
	}
}
