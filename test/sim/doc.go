// Package sim lives whole fleets in one goroutine, from one seed: a simulated API server, simulated
// datacenters, a virtual clock, and controller processes that run the very engine/operation.Decide and
// engine/ledger that run live, while everything that can fail does.
//
// In: a seed. Out: what was broken of what the design promises, judged from the datacenters' own
// record and from the API server's history, never from what the controllers think. One seed gives one
// history, to the byte.
//
//	world ── events on a virtual clock
//	  ├── apiServer ── log of changes ──▶ a cache per process and kind: lags, drops, relists
//	  ├── process ── pass: gather, Decide, carry out ──▶ writes, calls
//	  ├── site ── jobs; loses requests and replies, late, twice; hangs
//	  ├── person ── cancels, deletes, edits, pauses; looks at machines; releases
//	  └── judge
//
// The loop around Decide mirrors engine/controllers step by step, file by file: gather.go, carryout.go,
// calls.go, gate.go, servers.go. A change there belongs here, too.
package sim
