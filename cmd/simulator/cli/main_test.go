package cli

import (
	"os"
	"testing"

	"stargate.io/stargate/test/netns"
)

// asEnv makes the test binary the simulator itself.
const asEnv = "SIMULATOR_CLI_AS"

func TestMain(m *testing.M) {
	if os.Getenv(asEnv) != "" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(netns.Main(m)) // a simulator that runs makes bridges and rules
}
