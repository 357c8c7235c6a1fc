package calendar

import (
	"fmt"
	"sync"
	"time"
	_ "time/tzdata" // Zones are the same on a machine that has none of its own.
)

var zones sync.Map // *time.Location by name; only of zones that there are, so it stays small.

// Zone by its name in the tz database.
func Zone(name string) (*time.Location, error) {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone: write one such as \"Europe/Oslo\", or \"UTC\"", name)
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone: write one such as \"Europe/Oslo\", or \"UTC\"", name)
	}
	zones.Store(name, location)
	return location, nil
}

// reading of the wall clock in a zone, as if it were UTC.
func reading(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	_, offset := local.Zone()
	return time.Unix(t.Unix()+int64(offset), int64(t.Nanosecond())).UTC()
}

// reached is the first instant at which the wall clock of a zone reads something, given as if it were
// UTC, or more: the first of two, and the end of the gap for what is skipped.
func reached(wall time.Time, zone *time.Location) time.Time {
	// No zone is two days off, so at that instant the clock reads less.
	for t := wall.Add(-48 * time.Hour).In(zone); ; {
		start, end := t.ZoneBounds()
		_, offset := t.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || at.Before(end) {
			if at.Before(start) {
				return start.UTC()
			}
			return at
		}
		t = end
	}
}
