package site

import (
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// stage is a part of a job and its share of the whole.
type stage struct {
	name    string
	percent int
}

// touchesFrom is the first stage of a repave that writes to the machine's disk.
const touchesFrom = "install"

var repaveStages = []stage{
	{"pxe-boot", 10}, {"download", 40}, {"install", 30}, {"configure", 15}, {"finalise", 5},
}

// stagesOf gives the stages of an action, whose shares add up to 100.
func stagesOf(action wire.Action) []stage {
	switch action {
	case wire.ActionRepave:
		return repaveStages
	case wire.ActionReboot:
		return []stage{{"shutdown", 40}, {"boot", 60}}
	case wire.ActionInspect:
		return []stage{{"inspect", 100}}
	case wire.ActionPowerOn, wire.ActionPowerOff:
		return []stage{{"power", 100}}
	}
	return []stage{{"run", 100}}
}

// durationOf gives how long an action takes where a repave takes the given time.
func durationOf(action wire.Action, repave time.Duration) time.Duration {
	switch action {
	case wire.ActionRepave:
		return repave
	case wire.ActionReboot:
		return repave / 3
	case wire.ActionInspect, wire.ActionPowerOn, wire.ActionPowerOff:
		return repave / 10
	}
	return repave
}

// stageAt gives the stage and percentage of an action that has run for elapsed of total.
func stageAt(action wire.Action, elapsed, total time.Duration) (string, int32) {
	percent := percentOf(elapsed, total)
	sum := 0
	stages := stagesOf(action)
	for _, s := range stages {
		sum += s.percent
		if percent < sum {
			return s.name, int32(percent) //nolint:gosec // 0 to 100 by percentOf
		}
	}
	return stages[len(stages)-1].name, 100
}

func percentOf(elapsed, total time.Duration) int {
	switch {
	case elapsed <= 0:
		return 0
	case elapsed >= total:
		return 100
	}
	return int(float64(elapsed) / float64(total) * 100)
}

// startOf gives when a stage of an action begins, counted from the job's start.
func startOf(action wire.Action, name string, total time.Duration) (time.Duration, bool) {
	sum := 0
	for _, s := range stagesOf(action) {
		if s.name == name {
			return total * time.Duration(sum) / 100, true
		}
		sum += s.percent
	}
	return 0, false
}
