// Package rollout brings the servers of a group to its profile: wave by wave, within a budget.
//
// In: a snapshot of the group with its servers and Operations, and a time. Out: a decision: the
// group's next status, the Operations to make and to cancel, when to look again, and why nothing
// more happens yet. The status is written by compare-and-swap before anything is made: it holds, in
// inFlight, every server that is taken, which is what keeps the budgets over crashes and changes of
// leader.
//
//	behind ──taken: status.inFlight──▶ Operation ──ended, outcome on the Server──▶ updated
//	   ▲                                   │
//	   └────released, resumed────── left ◀─┘ failed, denied, cancelled
//
// It never reads a clock or a client, and never touches a server of which it cannot tell that the
// guard let it pass.
package rollout
