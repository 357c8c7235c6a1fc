package bench_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"stargate.io/stargate/test/bench"
)

func TestMergeReplacesRowsOfTheSameName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.json")
	for _, rows := range [][]bench.Row{{{Name: "a", Value: 1}, {Name: "b", Value: 2}}, {{Name: "a", Value: 3}}} {
		if err := bench.Merge(file, rows...); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []bench.Row
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].Name != "b" || rows[1].Value != 3 {
		t.Errorf("got %+v", rows)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bench.Merge(file); err == nil {
		t.Error("a file of something else was written over")
	}
}
