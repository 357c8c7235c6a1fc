// Package cli is the stargate command line.
//
// In: arguments and streams. Out: data to stdout, progress and hints to stderr, and an exit code
// that means the same whatever -o says:
//
//	0 fine   1 failed   3 held or denied   4 timed out   64 wrong usage
//
// Each verb has a file of its own. A verb reads, tells what it is going to do, writes once, and
// says what came of it; it never decides what the controllers decide, and shows a hold in their own
// words. It must never print a Secret's content, and never let text from a datacenter drive the
// terminal (package render).
package cli
