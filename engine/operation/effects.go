package operation

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

// Effect is the next thing to do. Every write is a compare-and-swap on the object in the snapshot.
type Effect interface{ effect() }

type (
	// AddFinalizer to the Operation.
	AddFinalizer struct{}
	// RemoveFinalizer from the Operation: nothing of it is left anywhere.
	RemoveFinalizer struct{}
	// Delete the Operation, whose time to live is over.
	Delete struct{}
	// AskGate evaluates and reserves; the answer goes into Snapshot.Verdict.
	AskGate struct{}
	// WriteServer writes the Server's status: a claim, or an outcome with the claim given back.
	WriteServer struct{ Status v1alpha1.ServerStatus }
	// WriteStatus writes the Operation's status. Intent says that it opens an attempt. Event, where
	// it is set, is told once the write is in.
	WriteStatus struct {
		Status v1alpha1.OperationStatus
		Intent bool
		Event  *Event
	}
	// Confirm asks the API server itself whether anything now speaks against the deed; the answer
	// goes into Snapshot.Confirmed.
	Confirm struct{}
	// Call the site. It may take long: the reply comes in a later pass.
	Call struct {
		Kind    CallKind
		Request drivers.Request
		Job     drivers.JobRef
	}
	// RunHook once. It may take as long as Deadline, and the result comes in a later pass. Key is the
	// same in each run of this hook for this Operation. Job is how the job ended, nil before it.
	RunHook struct {
		Hook     Hook
		Run      int32
		Key      string
		State    string
		Deadline time.Duration
		Job      *v1alpha1.JobEnd
	}
	// Wait until a time, or, where that is zero, until something changes. FreeSlot gives back what
	// the gate reserved, because the Operation waits for something else; it costs no write.
	Wait struct {
		Until    time.Time
		FreeSlot bool
	}
)

// Event is told about the Operation.
type Event struct {
	Warning bool
	Reason  string
	Message string
}

func (AddFinalizer) effect()    {}
func (RemoveFinalizer) effect() {}
func (Delete) effect()          {}
func (AskGate) effect()         {}
func (WriteServer) effect()     {}
func (WriteStatus) effect()     {}
func (Confirm) effect()         {}
func (Call) effect()            {}
func (RunHook) effect()         {}
func (Wait) effect()            {}
