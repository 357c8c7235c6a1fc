// Package wire is what the process with the credentials and a worker tell each other over two pipes.
//
//	parent ── Run ─────────────────────────▶ worker
//	parent ◀── Log, Event ────────────────── worker   any number
//	parent ◀── HTTP, Kube ── Reply ────────▶ worker   one at a time
//	parent ◀── End ───────────────────────── worker
//
// In: values; out: frames of a known kind and a bounded length, and back. Neither side trusts the other to
// keep the bounds. It imports nothing that is slow to start, for the worker pays for it.
package wire
