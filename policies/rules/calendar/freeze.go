package calendar

import (
	"fmt"
	"time"
)

// A stretch of time.
type between struct{ from, to time.Time }

// Freeze reads the first and the last day of a freeze, or the instants from which and before which it
// is, such as "2026-12-20", "2026-12-20T18:00" in the time zone, or "2026-12-20T18:00:00Z".
func Freeze(from, to, zone string) (Span, error) {
	location, err := Zone(zone)
	if err != nil {
		return nil, err
	}
	start, _, err := readInstant(from, location)
	if err != nil {
		return nil, err
	}
	_, end, err := readInstant(to, location)
	if err != nil {
		return nil, err
	}
	return Between(start, end)
}

// Between two instants, of which the second is not inside.
func Between(from, to time.Time) (Span, error) {
	if !from.Before(to) {
		return nil, fmt.Errorf("the freeze ends (%s) before it starts (%s): swap the two", to.UTC().Format(time.RFC3339), from.UTC().Format(time.RFC3339))
	}
	return between{from, to}, nil
}

// readInstant gives where a day, or an instant, starts, and where it ends.
func readInstant(text string, zone *time.Location) (start, end time.Time, err error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return reached(day, zone), reached(day.AddDate(0, 0, 1), zone), nil
	}
	if wall, err := time.Parse("2006-01-02T15:04", text); err == nil {
		at := reached(wall, zone)
		return at, at, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, at, nil
	}
	return start, end, fmt.Errorf("%q is no day and no time: write \"2026-12-20\", \"2026-12-20T18:00\" or \"2026-12-20T18:00:00Z\"", text)
}

// Contains tells whether an instant is in between.
func (b between) Contains(t time.Time) bool { return !t.Before(b.from) && t.Before(b.to) }

// Turn is at the start and at the end.
func (b between) Turn(t time.Time) time.Time {
	switch {
	case t.Before(b.from):
		return b.from
	case t.Before(b.to):
		return b.to
	}
	return time.Time{}
}

// From an instant on, for ever.
func From(at time.Time) Span { return from{at} }

type from struct{ at time.Time }

// Contains tells whether it has come.
func (f from) Contains(t time.Time) bool { return !t.Before(f.at) }

// Turn is when it comes.
func (f from) Turn(t time.Time) time.Time {
	if t.Before(f.at) {
		return f.at
	}
	return time.Time{}
}
