// Package cli is the command line of the simulator.
//
// In: arguments and streams. Out: an exit code, data on stdout, and what is for people on stderr. What runs is put
// together here and nowhere else; what each part does is in package simulator and below.
//
//	simulator ─▶ run ─┬─ machine over image, seed, network, host     (parts.go)
//	                  ├─ faces: DC API, a Redfish BMC for each machine
//	                  └─ control.sock ◀── list, kill, hang, cut, mend, delete
//	simulator console, logs ──▶ the machine's own socket and log
//	simulator down, doctor ───▶ the host, without a simulator that runs
//
// A command that only looks works whether a simulator runs or not. It must never print what a machine wrote without
// leaving out what could drive a terminal, but for console and logs, which are for that.
package cli
