package wire

import "time"

// ExitMemory is the exit code of a worker whose run had too much memory.
const ExitMemory = 77

// What a script and a run may have. docs/reference/hooks.md tells people.
const (
	// MaxFrame is over every bound below, once encoded.
	MaxFrame = 4 << 20
	// MaxScript is as long as the API server lets one be.
	MaxScript = 256 << 10
	// MaxContext bounds what a run is told, as JSON.
	MaxContext = 1 << 20
	// MaxState bounds ctx.state, as JSON.
	MaxState = 16 << 10
	// MaxMessage bounds what wait, fail and an error say.
	MaxMessage = 4 << 10
	// MaxLogLines and MaxLogBytes bound what a run logs.
	MaxLogLines = 200
	MaxLogBytes = 64 << 10
	// MaxEvents and MaxEventMessage bound the events of a run.
	MaxEvents       = 16
	MaxEventReason  = 64
	MaxEventMessage = 1 << 10
	// MaxCalls of http and kube in one run.
	MaxCalls = 100
	// MaxBody bounds a request and an answer of http.
	MaxBody = 1 << 20
	// MaxArguments bounds what a kube verb is given and gives, as JSON.
	MaxArguments = 64 << 10
	// MaxHeaders bounds the headers of a request and of an answer.
	MaxHeaders     = 64
	MaxHeaderBytes = 16 << 10
	// MaxURL bounds an address.
	MaxURL = 8 << 10
	// MaxString bounds a string that a function of the library makes.
	MaxString = 8 << 20
	// MaxDepth of JSON.
	MaxDepth = 32
	// MinWait and MaxWait bound a wait.
	MinWait = time.Second
	MaxWait = time.Hour
	// DefaultTimeout of a request.
	DefaultTimeout = 10 * time.Second
)
