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
	cluster.Main(m, cluster.AfterTests(func() error { return goleak.Find() }))
}
