// Package admission knows the guards that the API server keeps for Stargate, and whether it keeps them.
//
// A guard is a MutatingAdmissionPolicy that stamps, a ValidatingAdmissionPolicy that refuses, or both,
// with their bindings: config/admission. What they see to may be believed of an object; what nobody
// sees to may not, and a rule that asks for it holds.
//
//	config/admission ─wanted─┐
//	                         ├─▶ Judge ○ ─▶ Guards ─▶ Vouches: requester, source, approvals, overrides
//	the API server ──found───┘
//	      ▲ list, watch
//	   Watcher, Probe
//
// In: the objects as they should be, and an API server. Out: what is in force, and since when. It never
// installs or mends anything: that is for `stargate install`.
package admission
