package operation_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"
)

// crash: the controller process dies, and another one starts with nothing but what was written.
func verbCrash(b *bench, _ *datadriven.TestData) string {
	lost := "nothing under way"
	if b.calling != nil {
		lost = fmt.Sprintf("%s under way", b.calling.Kind)
	}
	if b.running != nil {
		lost = fmt.Sprintf("a run of %s under way", b.running.Hook.Name)
	}
	b.crash()
	return fmt.Sprintf("%s; %s takes over", lost, b.processName())
}
