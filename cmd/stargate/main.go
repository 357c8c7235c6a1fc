// Command stargate is the management side of Stargate: `stargate run` looks after the fleet, and
// everything else is the command line that people use. Named kubectl-stargate on the PATH, it is
// `kubectl stargate`.
package main

import (
	"os"

	"stargate.io/stargate/cmd/stargate/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
