package operation_test

import (
	"time"

	"github.com/cockroachdb/datadriven"
)

// tick DURATION: time goes by.
func verbTick(b *bench, d *datadriven.TestData) string {
	b.now = b.now.Add(duration(bare(d, 0)))
	return b.now.Format(time.TimeOnly)
}

// clock back=DURATION | forward=DURATION: somebody sets the clock.
func verbClock(b *bench, d *datadriven.TestData) string {
	b.now = b.now.Add(duration(word(d, "forward", "0s"))).Add(-duration(word(d, "back", "0s")))
	return b.now.Format(time.TimeOnly)
}
