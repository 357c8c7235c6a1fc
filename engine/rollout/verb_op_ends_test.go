package rollout_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
)

// op-ends SERVERS [Succeeded | Denied | gone | unrecorded]: the Operations of these servers start, unless they
// are denied, and end. gone: and are deleted before anybody looks; unrecorded: the Servers do not show it yet.
func verbOpEnds(w *world, d *datadriven.TestData) string {
	var out strings.Builder
	for _, server := range names(bare(d, 0)) {
		name := w.opOf(server)
		if name == "" {
			fmt.Fprintf(&out, "no live Operation on %s\n", server)
			continue
		}
		before := w.servers[server]
		switch how := bare(d, 1); how {
		case string(v1alpha1.OperationDenied):
			w.endOp(name, v1alpha1.OperationDenied, v1alpha1.ReasonDenied, "rule pin-db: role=db stays on 2.0.0")
		default:
			w.through(name, v1alpha1.OperationSucceeded, "")
			if how == "unrecorded" {
				w.servers[server] = before
			}
			if how == "gone" {
				delete(w.ops, name)
				fmt.Fprintf(&out, "%s: gone\n", name)
				continue
			}
		}
		fmt.Fprintf(&out, "%s: %s\n", name, w.ops[name].Status.Phase)
	}
	return out.String()
}

// through brings an Operation to its end, as far as nothing holds it.
func (w *world) through(name string, phase v1alpha1.OperationPhase, message string) {
	w.lookAt(name)
	if w.ops[name].Status.Phase == v1alpha1.OperationRunning {
		w.record(name, phase, message)
		w.finish(name)
	}
}
