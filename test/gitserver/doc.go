// Package gitserver is a real git server on the loopback, for tests and the demo.
//
// Repositories are bare ones that the git binary makes; they are served by git's own http-backend over
// HTTP or TLS, and by git-upload-pack over SSH. Credentials can be asked for, faults switched on and
// off, and every request is counted. Nothing of the user's git configuration is read or written.
package gitserver
