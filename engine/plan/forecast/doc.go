// Package forecast says when what a commit starts would be done: it runs the very planner that runs
// live on a virtual clock.
//
// In: what lives after the commit, a time, and how long repaves took. Out: a timeline: which server
// starts when and in which wave, when each wave is likely done, what holds it, and the moment with the
// fewest servers up.
//
//	clock ──▶ rollout.Decide ──Operations──▶ ledger (one a server, a site's limit) ──▶ run
//	  ▲                                                                                 │
//	  └──── next end, or time at which a rollout wakes, in whole steps ◀────────────────┘
//
// Assumed is, and told with what it concerns: that every Operation succeeds in the time that past ones
// took, that who is asked for an approval gives it at once, and that nobody else touches anything. The
// same input gives the same output. It never reads a client or a clock, and changes nothing that it is
// given.
package forecast
