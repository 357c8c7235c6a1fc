// Package worker is the process that scripts run in: the end of the pipes without credentials.
//
//	Main: confine ▸ ┌ read Run ▸ fresh Lua state ▸ script ▸ run(ctx) ▸ write End ┐
//	                └───────────────────────── until the pipe closes ────────────┘
//
// In: frames of package wire on descriptor 0; out: frames on descriptor 3. It has no environment, opens nothing,
// and asks the parent for all that reaches outside. What it takes from the parent it believes; what a script
// gives it does not. It ends with its parent. It must stay quick to start: no net/http, nothing of Kubernetes.
package worker
