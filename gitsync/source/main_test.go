package source_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing that was started is left behind, whatever went wrong.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
