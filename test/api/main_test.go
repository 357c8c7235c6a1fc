// Package api_test shows the kinds as a real API server sees them: what it lets in, what it refuses and
// with which words, what it stamps, and what kubectl makes of it.
//
// Cases are YAML files below testdata, one folder for each kind:
//
//	valid/*.yaml    documents that are created as they stand; together they use every field
//	invalid/*.yaml  documents that are refused, each with "# error: …" lines of what it is told
//	update/*.yaml   a document that is created, then updates of it, with "# error: …" where refused
package api_test

import (
	"testing"

	"stargate.io/stargate/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
