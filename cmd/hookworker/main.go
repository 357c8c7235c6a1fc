// Command hookworker runs hooks' scripts and nothing else; `make build` puts it into bin/stargate, which starts it from
// memory. People never start it. See package worker.
package main

import (
	"os"

	"stargate.io/stargate/policies/hooks/worker"
)

func main() {
	os.Exit(worker.Main())
}
