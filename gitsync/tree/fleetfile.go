package tree

import "stargate.io/stargate/api/v1alpha1"

// fleetSettings are what fleet.yaml says for the whole tree.
type fleetSettings struct {
	// Guard that the commit asks for.
	Guard *v1alpha1.Guard
}

func (c *commit) readFleet(file File) {}
