package calendar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	daySeconds  = 24 * 60 * 60
	weekSeconds = 7 * daySeconds
	// maxWindows in one text.
	maxWindows = 64
)

// A window is a weekly one: stretches of seconds since Sunday, of the wall clock, sorted and apart.
type window struct {
	stretches []stretch
	zone      *time.Location
}

// A stretch of seconds, without its end.
type stretch struct{ from, to int }

// Window reads windows such as "Sat-Sun 02:00-06:00" or "Mon,Wed 22:00-04:00; Fri", in a time zone.
// One without days is of every day, one without times is of whole days, and one that ends before it
// starts ends on the day after.
func Window(text, zone string) (Span, error) {
	location, err := Zone(zone)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(text, ";")
	if len(parts) > maxWindows {
		return nil, fmt.Errorf("there are %d windows, and may be %d", len(parts), maxWindows)
	}
	w := window{zone: location}
	for _, part := range parts {
		stretches, err := readWindow(part)
		if err != nil {
			return nil, err
		}
		w.stretches = append(w.stretches, stretches...)
	}
	w.stretches = merged(w.stretches)
	return w, nil
}

func readWindow(text string) ([]stretch, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words) > 2 {
		return nil, fmt.Errorf("%q is no window: write days and times, such as \"Sat-Sun 02:00-06:00\"", strings.TrimSpace(text))
	}
	days, times := []int{0, 1, 2, 3, 4, 5, 6}, []stretch{{0, daySeconds}}
	var err error
	if isTimes := words[0][0] >= '0' && words[0][0] <= '9'; !isTimes {
		if days, err = readDays(words[0]); err != nil {
			return nil, err
		}
		words = words[1:]
	}
	if len(words) == 2 {
		return nil, fmt.Errorf("%q is no window: the days come first, such as \"Sat-Sun 02:00-06:00\"", strings.TrimSpace(text))
	}
	if len(words) == 1 {
		if times, err = readTimes(words[0]); err != nil {
			return nil, err
		}
	}
	var all []stretch
	for _, day := range days {
		for _, t := range times {
			all = append(all, stretch{day*daySeconds + t.from, day*daySeconds + t.to})
		}
	}
	return all, nil
}

var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func readDays(text string) ([]int, error) {
	var days []int
	for entry := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(entry, "-")
		first, err := readDay(from)
		if err != nil {
			return nil, err
		}
		last := first
		if isRange {
			if last, err = readDay(to); err != nil {
				return nil, err
			}
		}
		for day := first; ; day = (day + 1) % 7 {
			if !slices.Contains(days, day) {
				days = append(days, day)
			}
			if day == last {
				break
			}
		}
	}
	return days, nil
}

func readDay(text string) (int, error) {
	name := strings.ToLower(text)
	for day, long := range dayNames {
		if name == long || name == long[:3] {
			return day, nil
		}
	}
	return 0, fmt.Errorf("%q is no day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun", text)
}

func readTimes(text string) ([]stretch, error) {
	var times []stretch
	for entry := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(entry, "-")
		if !isRange {
			return nil, fmt.Errorf("%q has no end: write from and to, such as 02:00-06:00", entry)
		}
		start, err := readClock(from)
		if err != nil {
			return nil, err
		}
		end, err := readClock(to)
		if err != nil {
			return nil, err
		}
		switch {
		case start == daySeconds:
			return nil, fmt.Errorf("%q starts at the end of the day: write 00:00", entry)
		case start == end:
			return nil, fmt.Errorf("%q is empty: for the whole day write 00:00-24:00", entry)
		case end < start:
			end += daySeconds
		}
		times = append(times, stretch{start, end})
	}
	return times, nil
}

// readClock reads HH:MM, up to 24:00.
func readClock(text string) (int, error) {
	wrong := fmt.Errorf("%q is no time of day: write 00:00 to 24:00", text)
	if len(text) != 5 || text[2] != ':' || strings.ContainsAny(text, "+-") {
		return 0, wrong
	}
	hour, err := strconv.Atoi(text[:2])
	if err != nil {
		return 0, wrong
	}
	minute, err := strconv.Atoi(text[3:])
	if err != nil || minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, wrong
	}
	return hour*60*60 + minute*60, nil
}

// merged are the stretches within one week, sorted, with those that touch as one.
func merged(all []stretch) []stretch {
	var cut []stretch
	for _, s := range all {
		if s.to > weekSeconds { // Saturday's night is Sunday's morning.
			cut = append(cut, stretch{0, s.to - weekSeconds})
			s.to = weekSeconds
		}
		cut = append(cut, s)
	}
	slices.SortFunc(cut, func(a, b stretch) int { return a.from - b.from })
	var apart []stretch
	for _, s := range cut {
		if last := len(apart) - 1; last >= 0 && s.from <= apart[last].to {
			apart[last].to = max(apart[last].to, s.to)
			continue
		}
		apart = append(apart, s)
	}
	return apart
}

// secondOfWeek that a reading is in.
func secondOfWeek(wall time.Time) int {
	return int(wall.Weekday())*daySeconds + wall.Hour()*3600 + wall.Minute()*60 + wall.Second()
}

// Contains tells whether the wall clock reads something inside.
func (w window) Contains(t time.Time) bool {
	return w.containsSecond(secondOfWeek(reading(t, w.zone)))
}

func (w window) containsSecond(second int) bool {
	for _, s := range w.stretches {
		if s.from <= second && second < s.to {
			return true
		}
	}
	return false
}

// always: there is no edge.
func (w window) always() bool {
	return len(w.stretches) == 1 && w.stretches[0] == stretch{0, weekSeconds}
}

// Turn is at the next edge, or where the clock is put from one side of an edge to the other.
func (w window) Turn(t time.Time) time.Time {
	if w.always() {
		return time.Time{}
	}
	inside := w.Contains(t)
	for {
		wall := reading(t, w.zone)
		edge := t.Add(wall.Truncate(time.Second).Add(w.untilEdge(secondOfWeek(wall))).Sub(wall))
		_, end := t.In(w.zone).ZoneBounds()
		if end.IsZero() || edge.Before(end) {
			return edge.UTC()
		}
		if t = end; w.Contains(t) != inside {
			return t.UTC()
		}
	}
}

// untilEdge is how long the clock runs from a second of the week to the next edge.
func (w window) untilEdge(second int) time.Duration {
	least := weekSeconds
	for _, s := range w.stretches {
		for _, edge := range []int{s.from, s.to} {
			if edge%weekSeconds == 0 && w.containsSecond(0) && w.containsSecond(weekSeconds-1) {
				continue // The week's end, and inside on both sides.
			}
			ahead := (edge - second + weekSeconds) % weekSeconds
			if ahead == 0 {
				ahead = weekSeconds
			}
			least = min(least, ahead)
		}
	}
	return time.Duration(least) * time.Second
}
