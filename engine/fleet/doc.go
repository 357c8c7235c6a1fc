// Package fleet decides what happens next to one Fleet, from a ref that moved to groups that are ready.
//
// In: a Snapshot, which holds everything that a decision may know, the time included. Out: one
// Effect, the next thing to do. Whoever carries it out folds what came back into the snapshot and
// asks again, until the answer is to rest.
//
//	Looking ──head──▶ Fetching ──read──▶ Weighing ──let pass──▶ Applying ──whole──▶ Applied
//	   ▲ ▲               │                  │  ▲                   │                   │
//	   │ └──Failing ◀────┴──────────────────┼──┼───────────────────┘                   │
//	   │                 │                  ▼  │ approved                              │
//	   │                 ▼                 Held                                        │
//	   │              Refused                                                          │
//	   └────────────── interval, notice, stargate.io/requestedAt ──────────────────────┘
//
// What is going to be applied is written to status.applying before the first object is sent, and
// stays until the last one is in: a crash in between is made whole from there.
//
// It never reads a clock, a client or chance, never asks for a commit to be applied that has a
// problem, or that the guard did not let pass.
package fleet
