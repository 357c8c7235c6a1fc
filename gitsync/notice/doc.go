// Package notice takes push notices: what a git server sends when somebody pushed.
//
//	POST /sync/<fleet> ──▶ method, path ──▶ size ──▶ rate ──▶ signature ──▶ what it says ──▶ look now
//
// In: an HTTP request, and the Fleet that it names with the secret that it shares with the git server.
// Out: a look at the repository, now instead of within the interval. That is all a notice can do: what
// it says of repositories, commits and people is not believed, and the ref that it names only serves to
// leave out what cannot matter. So a stolen secret costs round trips, and nothing else.
//
// Who has no right to know learns nothing: a fleet that is not there, one without a secret and a wrong
// signature are answered alike, in the same time but for what a look-up takes. Nothing of a body is
// parsed before its signature is right, and neither bodies nor secrets are ever logged.
package notice
