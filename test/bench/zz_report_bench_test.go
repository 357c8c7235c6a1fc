//go:build bench

package bench_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"text/tabwriter"
)

// TestReport comes last: report prints the table and writes bench.json.
func TestReport(t *testing.T) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROW\tVALUE\tINTERVAL\tBAR\tMET")
	for _, row := range rows {
		sign := "≤"
		if row.Better == "higher" {
			sign = "≥"
		}
		fmt.Fprintf(table, "%s\t%.3f\t%.3f–%.3f\t%s %.2f\t%v\n", row.Name, row.Value, row.Low, row.High, sign, row.Bar, row.Met())
	}
	table.Flush()
	if *output == "" {
		return
	}
	content, err := json.MarshalIndent(rows, "", "  ")
	if err == nil {
		err = os.WriteFile(*output, append(content, '\n'), 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}
