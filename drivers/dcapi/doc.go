// Package dcapi is the driver for datacenters that speak the DC API (openapi.yaml), version 1 or 2, over HTTP.
//
// In: a Config (where the site is, what to prove, how fast to go) and the calls of drivers.Driver. Out: jobs and
// states, or a *drivers.Error whose kind is decided by one question: may the request have landed?
//
//	           before a connection was there ──▶ Transient
//	request ── answered ── 2xx, whole and right ──▶ the answer
//	           │           401 403 429, 503 with Retry-After, busy ──▶ Transient
//	           │           404 for a job ──▶ NotFound        other 4xx ──▶ Rejected
//	           └ anything else: a GET ──▶ Transient, a POST ──▶ Unknown
//
// A POST is repeated only under an idempotency key at a site that honours it. A version 1 POST is sent once in the
// life of a Driver, on a connection of its own, with nothing in it that would let net/http send it again.
//
// It must never follow a redirect, send credentials anywhere but to its endpoint, read more than 1 MiB of an
// answer, wait without a deadline, or put a secret into a message, even one that the site sent back.
package dcapi
