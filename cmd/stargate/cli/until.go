package cli

import (
	"time"
)

// timeShown is how a time is written where a person reads it: with its zone, to the minute.
const timeShown = "2006-01-02 15:04 MST"

// parseUntil reads the time at which something resumes by itself: "2h30m" from now, "22:00" when that
// is next, "2026-05-01 06:00", or RFC 3339. Without a zone the time is that of this machine.
func parseUntil(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	until, err := readTime(text, now)
	if err != nil {
		return nil, err
	}
	if !until.After(now) {
		return nil, usagef("--until: %s has passed", until.Format(time.RFC3339))
	}
	until = until.Truncate(time.Second)
	return &until, nil
}

func readTime(text string, now time.Time) (time.Time, error) {
	if span, err := time.ParseDuration(text); err == nil {
		return now.Add(span), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	clock, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, usagef(`--until: expected a duration such as 2h, a time such as 22:00 or "2026-05-01 06:00", or RFC 3339, got %q`, text)
	}
	year, month, day := now.Date()
	at := time.Date(year, month, day, clock.Hour(), clock.Minute(), 0, 0, now.Location())
	if !at.After(now) {
		at = time.Date(year, month, day+1, clock.Hour(), clock.Minute(), 0, 0, now.Location())
	}
	return at, nil
}
