// Package site is a datacenter that only pretends: it speaks the DC API, version 1 or 2, runs jobs by the
// clock alone, and breaks on demand. It stands in for a site in the demo and in tests, and its record is the
// judge of what a controller made it do.
//
// In: requests of the DC API, a clock, and faults. Out: answers, and the Record: what was received, accepted,
// begun, ended, cancelled and voided, in order. Everything else that the site knows is computed from the record;
// an event is in it (and, with a folder, on disk) before its effect can be seen by anyone, so that a site killed
// at any instant comes back with all that it ever answered for.
//
//	request ─▶ faults ─▶ wire.ServerInterface ─▶ decide ─▶ record ─▶ apply ─▶ answer
//
// It must never import drivers: the real driver is what talks to it.
package site
