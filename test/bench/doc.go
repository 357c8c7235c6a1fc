// Package bench measures what Stargate costs, as ratios to a named baseline in the same run.
//
// In: the rows of README.md. Out: a table, and bench.json. It never asserts a time: machines differ
// and are shared. The measurements are behind the build tag bench; `make bench` runs them.
package bench
