// Package operation decides what happens next to one Operation, from Pending to its end.
//
// In: a Snapshot, which holds everything that a decision may know, the time included. Out: one
// Effect, the next thing to do. Whoever carries it out folds what came back into the snapshot and
// asks again, until the answer is to wait. So a crash between any two effects leaves a state from
// which Decide goes on, and a simulation runs the very code that runs live.
//
//	          hold              Transient              retry
//	        ┌──────┐            ┌──────┐            ┌────────┐
//	        ▼      │            ▼      │            ▼        │
//	Waiting ──claim, intent──▶ Dispatching ──job──▶ Running ──outcome──▶ AfterHooks ──▶ Finished
//	        │                   │      ▲              │
//	        │                Unknown   │ it-did-not   │ cancel, delete, time-out
//	        │                   ▼      │              ▼
//	        └──cancel──▶       Parked ─┘            Stopping ──▶ AfterHooks or Finished
//
// Hooks run before the claim, in Waiting, and after the job. Without any there is no AfterHooks.
//
// It never reads a clock, a client or chance, never asks for a dispatch before the intent is
// written, and never reads an answer that it does not have as a failure.
package operation
