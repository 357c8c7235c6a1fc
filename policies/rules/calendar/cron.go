package calendar

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A cron expression: the readings of the wall clock that it names, a bit each.
type cron struct {
	minutes, hours, days, months, weekdays uint64
	// eitherDay: days of the month and of the week are both given, and one of them is enough.
	eitherDay bool
	zone      *time.Location
}

// cronWindow is open for a while after each time that a cron expression fires.
type cronWindow struct {
	cron
	open time.Duration
}

// The longest that a cron window is open.
const longestCron = 31 * 24 * time.Hour

// Cron reads a cron expression of five fields; its window is open for a while after each time that it
// fires. As with cron itself, where both the day of the month and the day of the week are given one of
// them is enough.
func Cron(text string, open time.Duration, zone string) (Span, error) {
	location, err := Zone(zone)
	if err != nil {
		return nil, err
	}
	if open <= 0 || open > longestCron {
		return nil, fmt.Errorf("a cron window is open for more than nothing and at most %s, not %s", longestCron, open)
	}
	c, err := readCron(text)
	if err != nil {
		return nil, err
	}
	c.zone = location
	if !c.everFires() {
		return nil, fmt.Errorf("%q never fires: there is no such day", text)
	}
	return cronWindow{c, open}, nil
}

// A cronField is one of the five.
type cronField struct {
	name      string
	low, high int
	names     []string // from low on
}

var cronFields = []cronField{
	{name: "minute", low: 0, high: 59},
	{name: "hour", low: 0, high: 23},
	{name: "day of the month", low: 1, high: 31},
	{name: "month", low: 1, high: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day of the week", low: 0, high: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

func readCron(text string) (cron, error) {
	words := strings.Fields(text)
	if len(words) != len(cronFields) {
		return cron{}, fmt.Errorf("%q has %d fields, not five: minute, hour, day of the month, month, day of the week, such as \"0 2 * * 6\"", text, len(words))
	}
	var sets [5]uint64
	for i, word := range words {
		var err error
		if sets[i], err = cronFields[i].read(word); err != nil {
			return cron{}, err
		}
	}
	if sets[4]&(1<<7) != 0 { // Sunday is 0 and 7.
		sets[4] = sets[4]&^(1<<7) | 1
	}
	return cron{
		minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4],
		eitherDay: !strings.HasPrefix(words[2], "*") && !strings.HasPrefix(words[4], "*"),
	}, nil
}

// read a list of values, ranges and steps.
func (f cronField) read(text string) (uint64, error) {
	var set uint64
	for entry := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(entry, "/")
		by := 1
		if stepped {
			var err error
			if by, err = strconv.Atoi(step); err != nil || by < 1 || by > f.high {
				return 0, fmt.Errorf("%q is no step of a %s: write a number such as */15", entry, f.name)
			}
		}
		from, to, err := f.span(span, stepped)
		if err != nil {
			return 0, err
		}
		for n := from; n <= to; n += by {
			set |= 1 << n
		}
	}
	return set, nil
}

func (f cronField) span(text string, stepped bool) (from, to int, err error) {
	if text == "*" {
		return f.low, f.last(), nil
	}
	first, last, isRange := strings.Cut(text, "-")
	if from, err = f.value(first); err != nil {
		return 0, 0, err
	}
	switch {
	case isRange:
		if to, err = f.value(last); err != nil {
			return 0, 0, err
		}
	case stepped:
		to = f.last()
	default:
		to = from
	}
	if to < from {
		return 0, 0, fmt.Errorf("%q ends before it starts, as a %s: write two ranges", text, f.name)
	}
	return from, to, nil
}

// last value of an open range: of the days of the week not Sunday once more.
func (f cronField) last() int {
	if f.high == 7 {
		return 6
	}
	return f.high
}

func (f cronField) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.low + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.low || n > f.high || text[0] == '+' || text[0] == '-' {
		return 0, fmt.Errorf("%q is no %s: write %d to %d", text, f.name, f.low, f.high)
	}
	return n, nil
}

// yearsAhead are looked at for a day: there may be eight between two leap years.
const yearsAhead = 8

// everFires: there is such a day at all.
func (c cron) everFires() bool {
	_, fires := c.next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	return fires
}

func has(set uint64, n int) bool { return set&(1<<n) != 0 }

func (c cron) day(wall time.Time) bool {
	if !has(c.months, int(wall.Month())) {
		return false
	}
	byMonth, byWeek := has(c.days, wall.Day()), has(c.weekdays, int(wall.Weekday()))
	if c.eitherDay {
		return byMonth || byWeek
	}
	return byMonth && byWeek
}

// next reading after another that the expression names.
func (c cron) next(wall time.Time) (time.Time, bool) {
	t := wall.Truncate(time.Minute).Add(time.Minute)
	year, month, day := t.Date()
	hour, minute := t.Hour(), t.Minute()
	for last := year + yearsAhead; year <= last; {
		midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		if c.day(midnight) {
			if h, m, ok := c.time(hour, minute); ok {
				return midnight.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute), true
			}
		}
		hour, minute = 0, 0
		if has(c.months, int(month)) {
			day++
		} else {
			month, day = month+1, 1
		}
		year, month, day = time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Date()
	}
	return time.Time{}, false
}

// time of a day that is named, not before another.
func (c cron) time(hour, minute int) (int, int, bool) {
	if has(c.hours, hour) {
		if m := bits.TrailingZeros64(c.minutes >> minute << minute); m < 64 {
			return hour, m, true
		}
	}
	h := bits.TrailingZeros64(c.hours >> (hour + 1) << (hour + 1))
	return h, bits.TrailingZeros64(c.minutes), h < 64
}

// fires is the first instant after another at which it fires; zero for never.
func (c cron) fires(after time.Time) time.Time {
	for wall := reading(after, c.zone); ; {
		next, ok := c.next(wall)
		if !ok {
			return time.Time{}
		}
		if at := reached(next, c.zone); at.After(after) {
			return at
		}
		wall = next // Of an hour that comes twice, the first was it.
	}
}

// Contains tells whether it fired less than the window's length ago.
func (w cronWindow) Contains(t time.Time) bool {
	fired := w.fires(t.Add(-w.open))
	return !fired.IsZero() && !fired.After(t)
}

// firesAhead are followed where one window runs into the next.
const firesAhead = 2000

// Turn is when it next fires, or when no window is open any more.
func (w cronWindow) Turn(t time.Time) time.Time {
	fired := w.fires(t.Add(-w.open))
	if fired.IsZero() || fired.After(t) {
		return fired
	}
	for range firesAhead {
		next := w.fires(fired)
		if next.IsZero() || next.After(fired.Add(w.open)) {
			break
		}
		fired = next
	}
	return fired.Add(w.open)
}
