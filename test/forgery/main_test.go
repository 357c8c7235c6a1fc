// Package forgery shows that nobody says of an object what is not so: who asked for an Operation, from
// which commit it is, who approved it, which rules shall not count, what holds it.
//
// In: the API server as Stargate is installed on it, and people who hold certificates, each with the
// rights that the tests name. Out: what kubectl got for its pains, in every way that it has to write an
// object, and what the object says afterwards, which is what is judged. For each way there is a control:
// the same request with nothing forged in it succeeds.
package forgery

import (
	"testing"

	"stargate.io/stargate/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
