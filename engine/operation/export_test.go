package operation

// Stages shows the table of stages to the tests.
func Stages() map[Stage]bool {
	all := map[Stage]bool{}
	for stage := range stages {
		all[stage] = true
	}
	return all
}

// MessageLimit and MaxAttemptsKept bound what status can hold.
const (
	MessageLimit    = messageLimit
	MaxAttemptsKept = maxAttemptsKept
)
