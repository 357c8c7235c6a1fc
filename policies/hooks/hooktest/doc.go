// Package hooktest runs the tests that people write beside their hooks: `stargate hook test`.
//
//	tests/hooks/drain.yaml ──Load──▶ File ──Run(Pool)──▶ Report
//	  names hooks/drain.yaml          cases, each with runs    what failed, lines that were run,
//	  (script, deadline, allow)       and what comes back      time and memory of the bounds
//
// A case runs the script as the controller would, in a worker, with what the Hook allows; but http and Kubernetes
// answer what the case says, the clock stands still, and what was not foreseen fails. Between the runs of a case the
// state is kept and the clock goes on by what the script waited. It never reaches a network or a cluster.
package hooktest
