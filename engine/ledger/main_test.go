package ledger_test

import (
	"flag"
	"testing"
)

// TestMain looks harder than rapid does by default, and at the same cases in each run; -rapid.seed=0
// looks at others.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.checks": "3000", "rapid.seed": "20260301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}
