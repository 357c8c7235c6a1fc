// Package machine is the set of machines of a simulated datacenter: it does jobs on them, keeps what is known of each in
// a file of its own, finds them again after its own death, and looks after their health.
//
// In: jobs, by simulator.Machines, and what a management controller does, by bmc.Panels. Out: QEMU processes, disks, seeds
// and taps, each named by a state file before it is made, and how far each job is.
//
//	Do ─ claim ─▶ ┌ image ─ stop ─ disk ─ seed ─ start ─ await ┐ ─▶ kept result, old disk removed
//	              └─ before each step its name is in machine.json, with the job's id ┘
//	Open ─▶ adopt what runs and is named, end and remove what is not, leave jobs to be done again
//	watch ─▶ health.Decide ─▶ restart, let go on, quarantine: never while a job is on the machine
//
// A job that is done again under its id goes on at the step that its machine's file names. Every step may be done
// twice: a repave's disk is of one generation from the job's beginning to its end, and once the machine was started
// from it, it is not made again.
//
// It must never act on a process, file or tap that is not named by a file of its state folder or lies outside of it.
package machine
