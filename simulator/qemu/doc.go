// Package qemu starts QEMU processes, knows them again, and speaks with them.
//
// In: a Spec, which says what a machine is made of. Out: an argument list that says nothing else; a process of its own
// session, which outlives whoever started it; its Identity, by which the very same process, and no other that has got
// its number since, is found, stopped and killed; and a Monitor, which is a QMP client with deadlines.
//
//	Spec ── Argv ──▶ Start ──▶ Identity ── Find ──▶ the same process, or none
//	                   │           └────── Kill, Signal (by pidfd)
//	                   ├─ qmp socket ────▶ Monitor: Status, Powerdown, Reset, Stop, Cont, media, events
//	                   ├─ guest socket ──▶ lines that the guest's reporter writes
//	                   └─ console socket, and the log of all that was ever written to it
//
// The words of QMP (commands and events) are those of digitalocean/go-qemu. Its socket is not used: its Run knows no
// deadline and takes whatever comes next for its answer, its reader ends at a line of 64 KiB, and a goroutine of it is
// left behind by every connection that is closed before the machine's end.
//
// It must never run a shell, let QEMU guess a format, or signal a process by its number alone.
package qemu
