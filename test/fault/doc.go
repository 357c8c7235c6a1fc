// Package fault kills, stops, blinds and lies to the controller at every step of an Operation, and
// judges what came of it.
//
// The controller is a child process behind two counting proxies, one before the API server and one
// before the datacenter. A run without faults is counted there; then there is one case for each call
// that was counted. The judge is never the controller: it is the datacenter's own record and the
// objects that the API server has in the end.
//
//	controller (child) ──▶ proxy ──▶ API server ◀── judge
//	        └────────────▶ proxy ──▶ site ────────▶ record ──▶ judge
//
// Tests of what happens in one room run beside one another, as many at once as main_test.go says: the longest is lives of a
// controller one after the other, which leave a processor idle. Not beside others run those with a lease, which a busy
// machine may take from its holder, with Hooks or Policies, which are of every room, or with a measured time.
//
// Tests only. Longer variants: go test ./test/fault -fault.pairs=-1 (every pair of kills).
package fault
