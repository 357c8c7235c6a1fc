package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"stargate.io/stargate/test/cluster"
)

// TestMain runs the tests on one control plane, and looks for goroutines that were left behind once
// every controller, every site and the control plane have ended.
func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait more than they work: as many at once as processors would leave those idle.
	if flag.Lookup("test.parallel").Value.String() == flag.Lookup("test.parallel").DefValue {
		if err := flag.Set("test.parallel", "6"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	cluster.Main(m, cluster.AfterTests(func() error {
		// A watch of metadata that is stopped while an event is under way leaves this behind: "the
		// filter" of apimachinery does not hear of the stop. It is controller-runtime's, and only
		// where a namespace selector is used.
		return goleak.Find(goleak.IgnoreTopFunction("k8s.io/apimachinery/pkg/watch.(*filteredWatch).loop"))
	}))
}
