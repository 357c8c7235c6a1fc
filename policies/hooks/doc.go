// Package hooks runs the Lua scripts that people hang before and after a datacenter's job.
//
// In: a script, and what it may know about one Operation. Out: done, wait or fail, with the state
// that the script keeps; or an error that says which bound it met.
//
//	text ──Compile──▶ Script ──Pool.Run(Call, Host)──▶ Result
//	                               │  ▲
//	                        pipes  ▼  │  http and Kubernetes verbs, carried out by the Host
//	                          worker process: no credentials, no network, memory bounded by the
//	                          kernel, ended at its deadline
//
// A script never runs in the process that has credentials. It imports nothing of ours, and a hostile
// script costs one hook, never the process.
package hooks
