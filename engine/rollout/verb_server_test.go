package rollout_test

import (
	"fmt"
	"time"

	"github.com/cockroachdb/datadriven"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// server NAMES WHAT...: paused, unpaused, maintenance, fixed, apply=N, committed=ROLE (the label that the commit gave it), adopt, adopted=VERSION, state=STATE, release, gone, shared=GROUP, unshared,
// repaved=VERSION (by hand), orphaned (the Operation that has the claim is gone), LABEL=VALUE.
func verbServer(w *world, d *datadriven.TestData) string {
	all := names(bare(d, 0))
	for _, name := range all {
		for _, arg := range d.CmdArgs[1:] {
			value := ""
			if len(arg.Vals) > 0 {
				value = arg.Vals[0]
			}
			w.change(name, arg.Key, value)
		}
	}
	if len(all) == 1 {
		return describeServer(w, all[0])
	}
	return fmt.Sprintf("%d servers", len(all))
}

func (w *world) change(name, what, value string) {
	switch what {
	case "gone":
		delete(w.servers, name)
	case "shared":
		w.shared[name] = value
	case "unshared":
		delete(w.shared, name)
	case "release":
		w.release(name)
	case "repaved":
		w.repavedByHand(name, value)
	case "orphaned":
		w.editServer(name, orphaned)
	default:
		w.editServer(name, func(s *v1alpha1.Server) { edited(s, what, value, w.now) })
	}
}

func orphaned(s *v1alpha1.Server) {
	owner := s.Status.ActiveOperation
	s.Status.ActiveOperation, s.Status.Applied, s.Status.State = nil, nil, v1alpha1.ServerError
	s.Status.Quarantine = &v1alpha1.Quarantine{Operation: owner.Name, UID: owner.UID, Reason: v1alpha1.ReasonOperationGone, Message: "its job may still run"}
}

func edited(s *v1alpha1.Server, what, value string, now time.Time) {
	switch what {
	case "paused":
		s.Spec.Paused = true
	case "unpaused":
		s.Spec.Paused = false
	case "maintenance":
		s.Spec.Maintenance = true
	case "fixed":
		s.Spec.Maintenance = false
	case "adopt":
		s.Spec.Adopt = &v1alpha1.Adoption{Profile: "os"}
	case "adopted":
		s.Status.State = v1alpha1.ServerReady
		s.Status.Applied = &v1alpha1.Applied{Profile: "os", Hash: hashOf(value), OSVersion: value, At: metav1.NewTime(now)}
	case "state":
		s.Status.State = v1alpha1.ServerState(value)
	case "committed":
		s.Labels[v1alpha1.LabelFleet] = "prod"
		metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationLabels, "role="+value)
	case "apply":
		s.Labels[v1alpha1.LabelFleet] = "prod"
		metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationApply, value)
	default:
		s.Labels[what] = value
	}
}

// repavedByHand is an Operation that somebody made and that succeeded.
func (w *world) repavedByHand(name, version string) {
	w.editServer(name, func(s *v1alpha1.Server) {
		op := fmt.Sprintf("repave-%s-%s", name, w.uid())
		s.Status.State = v1alpha1.ServerReady
		s.Status.LastOperation = &v1alpha1.LastOperation{Name: op, UID: string(w.uid()), Phase: v1alpha1.OperationSucceeded, At: metav1.NewTime(w.now)}
		s.Status.Applied = &v1alpha1.Applied{Profile: "os", Hash: hashOf(version), OSVersion: version, Operation: op, At: metav1.NewTime(w.now)}
	})
}

func describeServer(w *world, name string) string {
	s := w.servers[name]
	if s == nil {
		return name + " is gone"
	}
	text := fmt.Sprintf("%s: state %q", name, s.Status.State)
	if s.Status.Applied != nil {
		text += ", runs " + s.Status.Applied.OSVersion
	}
	if s.Status.Quarantine != nil {
		text += ", quarantined"
	}
	return text
}
