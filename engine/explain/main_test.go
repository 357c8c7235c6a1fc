package explain

import (
	"flag"
	"testing"
)

// TestMain looks at a thousand worlds, at the same ones in each run; -rapid.seed=0 looks at others.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.checks": "1000", "rapid.seed": "20260301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}
