// Command simulator is a datacenter made of virtual machines on one Linux host: it runs them, looks after them, and
// shows the faces of a real site. See package simulator.
package main

import (
	"os"

	"stargate.io/stargate/cmd/simulator/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
