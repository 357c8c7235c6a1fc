//go:build bench

package bench_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/cluster"
	"stargate.io/stargate/test/netns"
)

var (
	roundCount = flag.Int("rounds", 10, "rounds of each comparison")
	output     = flag.String("json", "", "file that the rows are written to")

	mu   sync.Mutex
	rows []bench.Row
)

// add a row to the table.
func add(row bench.Row) {
	mu.Lock()
	defer mu.Unlock()
	row.Commit = commit()
	rows = append(rows, row)
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(child(text))
	}
	if os.Getenv(bootsEnv) != "" {
		os.Exit(netns.Main(m))
	}
	flag.Parse()
	cluster.Main(m)
}
