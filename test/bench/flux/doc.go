// Package flux measures the first sync of a fleet against Flux's own server-side apply of the same
// objects. It is a module of its own, so that Flux and what it carries are no part of Stargate.
package flux
