//go:build !embedworker

package binary

// Worker is the program, empty where none was built in.
var Worker []byte
