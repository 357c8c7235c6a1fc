// Package preflight answers one question: would Stargate work here, and if not, what mends it?
//
// In: a cluster that is asked and never written to. Out: a Report, a line per check, each failure
// with its mend. It never prints and never guesses: what could not be asked is said to be skipped.
package preflight
