package rollout_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
)

// server-fails SERVERS: the Operations of these servers start and fail; the machines are quarantined.
func verbServerFails(w *world, d *datadriven.TestData) string {
	var out strings.Builder
	for _, server := range names(bare(d, 0)) {
		name := w.opOf(server)
		if name == "" {
			fmt.Fprintf(&out, "no live Operation on %s\n", server)
			continue
		}
		w.through(name, v1alpha1.OperationFailed, "download: checksum differs")
		fmt.Fprintf(&out, "%s: %s\n", name, w.ops[name].Status.Phase)
	}
	return out.String()
}
