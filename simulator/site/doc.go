// Package site is the face of a simulated datacenter that the DC API driver knows: version 2 of the DC API over
// simulator.Machines.
//
// In: requests of the DC API. Out: answers, and jobs that Machines do. Every job, cancellation and voided id is in the
// journal (appended and synced) before it is answered for; whoever kills the simulator at any instant and starts it again
// over the same folder finds each request id with the job it made, and each job that had not ended goes on.
//
//	request ─▶ bounds, token ─▶ wire.ServerInterface ─▶ decide (pure) ─▶ journal ─▶ book ─▶ answer
//	                                                                                 │
//	                                       Machines.Do ◀── run, one for each live job ◀┘
//
//	accepted ──▶ began ──▶ ended: succeeded | failed | cancelled
//	    └─────────┴── cancelled (is being)
//
// It must never do a job whose acceptance is not on disk, make two jobs from one request id, or take an end for certain
// that Machines did not tell. It never imports drivers: the real driver is what talks to it.
package site
