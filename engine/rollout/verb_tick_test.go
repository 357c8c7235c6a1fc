package rollout_test

import (
	"time"

	"github.com/cockroachdb/datadriven"
)

// tick DURATION: time goes by, or, where it is negative, the clock is set back.
func verbTick(w *world, d *datadriven.TestData) string {
	w.now = w.now.Add(duration(bare(d, 0)))
	return w.now.Format(time.TimeOnly)
}
