package fault

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	ctrl "sigs.k8s.io/controller-runtime"

	"stargate.io/stargate/test/cluster"
)

var (
	pairs = flag.Int("fault.pairs", 4, "how many pairs of kills to try for each scenario; -1 for every pair")
	// patience is how long something that must happen may take on a busy machine.
	patience = flag.Duration("fault.patience", 3*time.Minute, "how long something that must happen may take")
	seed     = flag.Uint64("fault.seed", 1, "seed of what is left to chance")
)

// TestMain runs the tests on one control plane, or is the controller that they kill.
func TestMain(m *testing.M) {
	if options := os.Getenv(childEnv); options != "" {
		os.Exit(child(options))
	}
	ctrl.SetLogger(logr.Discard()) // what the cache of this process says is of no interest
	flag.Parse()
	// The tests wait more than they work: as many at once as processors would leave those idle.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := flag.Set("test.parallel", "6"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	cluster.Main(m, cluster.AfterTests(func() error {
		shared.stop()
		return goleak.Find()
	}))
}
