package bmc

import (
	"context"

	"stargate.io/stargate/simulator"
)

// Panels are the front panels of machines, each by its machine's name: what a management controller sees and works.
// Methods that change something give *simulator.Refused when nothing was done: ReasonServerBusy while a job is on the
// machine, ReasonBadRequest for what it cannot do, ReasonHostLimits where the host cannot. They are safe for concurrent
// use, and what SetBoot and SetMedium set outlives the simulator.
type Panels interface {
	// Look at a machine. False for one that was never made.
	Look(name string) (simulator.Status, simulator.Front, bool)
	// Reset presses the power button. It returns once the machine is on or off, and for a graceful one once the
	// guest was asked.
	Reset(ctx context.Context, name string, kind simulator.Reset) error
	// SetBoot sets where it starts from.
	SetBoot(ctx context.Context, name string, boot simulator.Boot) error
	// SetMedium puts a medium into its drive in place of what is there; nil takes it out. The file is not used any
	// more once it returns.
	SetMedium(ctx context.Context, name string, medium *simulator.Medium) error
}
