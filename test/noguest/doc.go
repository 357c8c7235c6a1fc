// Package noguest gives what simulated machines need besides QEMU, for tests that need real machines and no operating
// system: disks whose boot sector says on the console what the machine was started from, and a seed, a network and a host
// that are none. Such a machine starts in a fraction of a second and takes 64 MiB.
//
// In: a Disks, whose Hold keeps jobs waiting for their image. Out: a machine.Config. It must never stand in for QEMU or
// for what the simulator does with it.
package noguest
