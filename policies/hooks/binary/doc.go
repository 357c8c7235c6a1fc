// Package binary is the worker's program where it was built in: with the build tag embedworker, which `make build`
// sets after it has built cmd/hookworker into this folder. It starts quicker and smaller than the whole of the
// program that starts it. Without the tag there is none, and that program is started as a worker itself.
package binary
