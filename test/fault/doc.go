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
// Tests only. Longer variants: go test ./test/fault -fault.pairs=-1 (every pair of kills).
package fault
