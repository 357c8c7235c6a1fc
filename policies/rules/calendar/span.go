package calendar

import "time"

// Span is a set of instants.
type Span interface {
	// Contains tells whether an instant is inside.
	Contains(time.Time) bool
	// Turn is the first instant after another at which Contains changes; zero for never. Where that is
	// very far away it may be an instant before it, at which nothing changes.
	Turn(time.Time) time.Time
}

// Fitting is a span without what is too late for something that takes a while: the instants that are
// inside and stay so for that long.
func Fitting(s Span, takes time.Duration) Span { return fitting{s, takes} }

type fitting struct {
	Span
	takes time.Duration
}

// Contains tells whether it still fits.
func (f fitting) Contains(t time.Time) bool {
	if !f.Span.Contains(t) {
		return false
	}
	end := f.end(t)
	return end.IsZero() || end.Sub(t) >= f.takes
}

// end of the stretch that an instant inside is in; zero for never. It looks no further than need be.
func (f fitting) end(t time.Time) time.Time {
	for at := f.Span.Turn(t); !at.IsZero(); at = f.Span.Turn(at) {
		if !f.Span.Contains(at) || at.Sub(t) >= f.takes {
			return at
		}
	}
	return time.Time{}
}

// Turn is when it stops to fit, or when it next fits.
func (f fitting) Turn(t time.Time) time.Time {
	if !f.Contains(t) {
		return f.start(t)
	}
	end := f.Span.Turn(t)
	if end.IsZero() || f.takes <= 0 {
		return end
	}
	// The last instant at which it fits is inside.
	if last := end.Add(1 - f.takes); last.After(t) {
		return last
	}
	return end
}

// windowsAhead are looked at for one that is long enough.
const windowsAhead = 64

// start of the next stretch that is long enough.
func (f fitting) start(t time.Time) time.Time {
	for range windowsAhead {
		t = f.Span.Turn(t)
		if t.IsZero() || f.Contains(t) {
			return t
		}
	}
	return t
}
