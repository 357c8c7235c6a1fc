// Package rollout brings the servers of a group to its profile: wave by wave, within a budget.
//
// In: a snapshot of the group with its servers and Operations, and a time. Out: a decision: the
// group's next status, the Operations to make and to cancel, when to look again, and why nothing
// more happens yet. The status is written by compare-and-swap before anything is made: it holds, in
// inFlight, every server that is taken, which is what keeps the budgets over crashes and changes of
// leader.
//
// The steps, each in a file: the group's gates (profile, fleet, commit, pause), the revision, the slots of
// which the outcome is known, what each server is, what is taken back, the waves, the guard, the budget,
// the Operations, the summary.
//
//	behind ──taken: status.inFlight──▶ Operation ──ended, outcome on the Server──▶ updated
//	   ▲                                   │
//	   └────released, resumed────── left ◀─┘ failed, denied, cancelled
//
// A slot of status.inFlight is freed only once the Operation has ended and the Server, as it is seen here,
// shows what came of it. Caches may lag behind each other and behind the status: then a slot is kept too
// long, never too short; and an Operation that was made on an old sight of its server says so
// (spec.expected) and ends without a deed.
//
// It never reads a clock or a client, and never touches a server of which it cannot tell that the
// guard let it pass.
package rollout
