//go:build embedworker

package binary

import _ "embed" // the worker

// Worker is the program, empty where none was built in.
//
//go:embed hookworker
var Worker []byte
