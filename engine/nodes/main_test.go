package nodes_test

import (
	"testing"

	"stargate.io/stargate/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
