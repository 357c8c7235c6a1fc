package rollout_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"
)

// op-starts SERVERS: the controller looks at the Operations of these servers, and starts, ends or holds
// them.
func verbOpStarts(w *world, d *datadriven.TestData) string {
	var out strings.Builder
	for _, server := range names(bare(d, 0)) {
		name := w.opOf(server)
		if name == "" {
			fmt.Fprintf(&out, "no live Operation on %s\n", server)
			continue
		}
		w.lookAt(name)
		fmt.Fprintf(&out, "%s: %s\n", name, w.ops[name].Status.Phase)
	}
	return out.String()
}
