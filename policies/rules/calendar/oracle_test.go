package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/policies/rules/calendar"
)

// The oracle knows nothing of edges, offsets and gaps: it looks at the wall clock every minute.

// zones with what is odd about clocks: half an hour (Lord Howe), a day that was skipped (Apia), winter
// as the exception (Dublin), a gap at midnight (Sao Paulo, Beirut), two hours (Troll), a fast twice
// (Casablanca), changes of the zone itself (Istanbul, Pyongyang, Caracas), and none at all.
var zones = []string{
	"Australia/Lord_Howe", "Pacific/Apia", "Europe/Dublin", "America/Sao_Paulo", "Asia/Beirut", "Antarctica/Troll",
	"Africa/Casablanca", "Europe/Istanbul", "Asia/Pyongyang", "America/Caracas", "Europe/Oslo", "America/New_York",
	"Asia/Tehran", "Asia/Gaza", "America/Havana", "Pacific/Chatham", "America/St_Johns", "Africa/Cairo", "Asia/Kathmandu",
	"Pacific/Kiritimati", "America/Asuncion", "Europe/Moscow", "UTC",
}

func location(t *rapid.T) (string, *time.Location) {
	name := rapid.SampledFrom(zones).Draw(t, "zone")
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("loading %s: %v", name, err)
	}
	return name, zone
}

// oracleWindow is one window as it was drawn.
type oracleWindow struct {
	days     [7]bool
	from, to int // minutes of the day
}

func (w oracleWindow) contains(local time.Time) bool {
	day, minute := int(local.Weekday()), local.Hour()*60+local.Minute()
	if w.from < w.to {
		return w.days[day] && w.from <= minute && minute < w.to
	}
	return w.days[day] && minute >= w.from || w.days[(day+6)%7] && minute < w.to
}

func drawWindow(t *rapid.T) (oracleWindow, string) {
	names := []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	var w oracleWindow
	var days []string
	for range rapid.IntRange(1, 3).Draw(t, "entries") {
		first := rapid.IntRange(0, 6).Draw(t, "day")
		n := rapid.IntRange(1, 7).Draw(t, "days")
		for i := range n {
			w.days[(first+i)%7] = true
		}
		if n == 1 {
			days = append(days, names[first])
		} else {
			days = append(days, names[first]+"-"+names[(first+n-1)%7])
		}
	}
	w.from = rapid.IntRange(0, 1439).Draw(t, "from")
	w.to = rapid.IntRange(0, 1440).Filter(func(to int) bool { return to != w.from }).Draw(t, "to")
	return w, fmt.Sprintf("%s %02d:%02d-%02d:%02d", strings.Join(days, ","), w.from/60, w.from%60, w.to/60, w.to%60)
}

// drawSpan of time, in minutes from a minute on: twenty days anywhere in forty years.
func drawSpan(t *rapid.T) (time.Time, int) {
	day := rapid.IntRange(0, 40*365).Draw(t, "day")
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day), 20 * 24 * 60
}

// failing is what a test and a property have in common.
type failing interface {
	Fatalf(format string, arguments ...any)
}

// agree checks a span against what the oracle says, minute by minute, and its turns against the
// minutes at which the oracle changes its mind.
func agree(t failing, span calendar.Span, start time.Time, minutes int, inside func(time.Time) bool) {
	was := inside(start)
	asked, turn := start, span.Turn(start)
	for m := range minutes {
		at := start.Add(time.Duration(m) * time.Minute)
		is := inside(at)
		// Its turns tell of the minutes in between.
		if (m%3 == 0 || is != was) && span.Contains(at) != is {
			t.Fatalf("at %s it says %v, the oracle %v", at.Format(time.RFC3339), !is, is)
		}
		if is != was && !turn.Equal(at) {
			t.Fatalf("it turns at %s, and not, as the oracle, at %s", turn.Format(time.RFC3339), at.Format(time.RFC3339))
		}
		if is == was && turn.Equal(at) && at.Sub(asked) < 24*time.Hour {
			t.Fatalf("it turns at %s, where the oracle does not", at.Format(time.RFC3339))
		}
		if is != was || turn.Equal(at) {
			asked, turn = at, span.Turn(at)
		}
		was = is
	}
}

func TestWindowsAgreeWithTheWallClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, zone := location(t)
		var windows []oracleWindow
		var texts []string
		for range rapid.IntRange(1, 3).Draw(t, "windows") {
			w, text := drawWindow(t)
			windows, texts = append(windows, w), append(texts, text)
		}
		span, err := calendar.Window(strings.Join(texts, "; "), name)
		if err != nil {
			t.Fatal(err)
		}
		start, minutes := drawSpan(t)
		agree(t, span, start, minutes, func(at time.Time) bool {
			for _, w := range windows {
				if w.contains(at.In(zone)) {
					return true
				}
			}
			return false
		})
	})
}

// oddYears are those in which the zone itself changed, or a day was skipped.
var oddYears = map[string]int{
	"Pacific/Apia": 2011, "Asia/Pyongyang": 2015, "America/Caracas": 2016, "Europe/Istanbul": 2016, "Europe/Moscow": 2014,
	"America/Sao_Paulo": 2018,
}

// eachOddYear takes each zone through a whole year, from the day before it.
func eachOddYear(t *testing.T, check func(t *testing.T, name string, zone *time.Location, start time.Time, minutes int)) {
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			year, ok := oddYears[name]
			if !ok {
				year = 2021
			}
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			check(t, name, zone, time.Date(year-1, 12, 31, 0, 0, 0, 0, time.UTC), 367*24*60)
		})
	}
}

func TestWindowsOverWholeYears(t *testing.T) {
	eachOddYear(t, func(t *testing.T, name string, zone *time.Location, start time.Time, minutes int) {
		span, err := calendar.Window("00:15-01:40; Fri-Sun 23:00-02:45", name)
		if err != nil {
			t.Fatal(err)
		}
		daily := oracleWindow{days: [7]bool{true, true, true, true, true, true, true}, from: 15, to: 100}
		nights := oracleWindow{days: [7]bool{5: true, 6: true, 0: true}, from: 23 * 60, to: 2*60 + 45}
		agree(t, span, start, minutes, func(at time.Time) bool {
			local := at.In(zone)
			return daily.contains(local) || nights.contains(local)
		})
	})
}

// firing is the oracle of cron: the clock is watched minute by minute, and each reading that it comes
// to for the first time, or jumps over, is looked up.
func firing(zone *time.Location, start time.Time, named func(time.Time) bool) func(time.Time) bool {
	wall := func(at time.Time) time.Time {
		l := at.In(zone)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	most, asked := wall(start), start
	return func(at time.Time) bool {
		fired := false
		for asked.Before(at) {
			asked = asked.Add(time.Minute)
			fired = false
			for now := wall(asked); most.Before(now); {
				most = most.Add(time.Minute)
				fired = fired || named(most)
			}
		}
		return fired
	}
}

func TestCronAgreesWithTheWallClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, zone := location(t)
		minute, hour, weekday := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 7).Draw(t, "weekday")
		day := rapid.IntRange(1, 31).Draw(t, "day")
		text, named := "", (func(time.Time) bool)(nil)
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			text = fmt.Sprintf("%d %d * * *", minute, hour)
			named = func(w time.Time) bool { return w.Minute() == minute && w.Hour() == hour }
		case 1:
			text = fmt.Sprintf("%d */3 * * %d", minute, weekday)
			named = func(w time.Time) bool {
				return w.Minute() == minute && w.Hour()%3 == 0 && int(w.Weekday()) == weekday%7
			}
		case 2:
			text = fmt.Sprintf("%d %d %d * %d", minute, hour, day, weekday)
			named = func(w time.Time) bool {
				return w.Minute() == minute && w.Hour() == hour && (w.Day() == day || int(w.Weekday()) == weekday%7)
			}
		case 3:
			text = fmt.Sprintf("%d-%d 0-4 * jan-nov,DEC mon-FRI", minute/2, minute/2+5)
			named = func(w time.Time) bool {
				return w.Minute() >= minute/2 && w.Minute() <= minute/2+5 && w.Hour() <= 4 && w.Weekday() != 0 && w.Weekday() != 6
			}
		case 4:
			text = fmt.Sprintf("%d * * * *", minute)
			named = func(w time.Time) bool { return w.Minute() == minute }
		}
		open := time.Duration(rapid.IntRange(1, 300).Draw(t, "open")) * time.Minute
		span, err := calendar.Cron(text, open, name)
		if err != nil {
			t.Fatal(err)
		}
		start, minutes := drawSpan(t)
		cronAgrees(t, span, zone, start, minutes, open, named)
	})
}

func cronAgrees(t failing, span calendar.Span, zone *time.Location, start time.Time, minutes int, open time.Duration, named func(time.Time) bool) {
	before := start.Add(-open - time.Hour)
	fires := firing(zone, before.Add(-48*time.Hour), named)
	var last time.Time
	inside := func(at time.Time) bool {
		if fires(at) {
			last = at
		}
		return !last.IsZero() && at.Sub(last) < open
	}
	asked := before
	agree(t, span, start, minutes, func(at time.Time) bool {
		for ; asked.Before(at); asked = asked.Add(time.Minute) {
			inside(asked)
		}
		return inside(at)
	})
}

func TestCronOverWholeYears(t *testing.T) {
	eachOddYear(t, func(t *testing.T, name string, zone *time.Location, start time.Time, minutes int) {
		span, err := calendar.Cron("30 0,2 * * *", 45*time.Minute, name)
		if err != nil {
			t.Fatal(err)
		}
		cronAgrees(t, span, zone, start, minutes, 45*time.Minute, func(w time.Time) bool {
			return w.Minute() == 30 && (w.Hour() == 0 || w.Hour() == 2)
		})
	})
}

func TestFittingLooksAtWhatIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, zone := location(t)
		w, text := drawWindow(t)
		span, err := calendar.Window(text, name)
		if err != nil {
			t.Fatal(err)
		}
		takes := time.Duration(rapid.IntRange(1, 8*60).Draw(t, "takes")) * time.Minute
		fits := calendar.Fitting(span, takes)
		start, _ := drawSpan(t)
		minutes := 7 * 24 * 60
		// Whether each minute is inside, and from the end backwards how many follow that are.
		inside := make([]int, minutes+24*60)
		for m := len(inside) - 1; m >= 0; m-- {
			if w.contains(start.Add(time.Duration(m) * time.Minute).In(zone)) {
				inside[m] = 1
				if m+1 < len(inside) {
					inside[m] += inside[m+1]
				}
			}
		}
		for m := range minutes {
			at := start.Add(time.Duration(m) * time.Minute)
			want := inside[m] >= int(takes/time.Minute)
			if got := fits.Contains(at); got != want {
				t.Fatalf("%s in %s, %s at %s: it says %v, the oracle %v", text, name, takes, at.Format(time.RFC3339), got, want)
			}
			if m%53 != 0 {
				continue
			}
			turn := fits.Turn(at)
			if turn.IsZero() {
				continue
			}
			for n := m + 1; n < minutes; n++ {
				then := start.Add(time.Duration(n) * time.Minute)
				if !then.Before(turn) {
					break
				}
				if (inside[n] >= int(takes/time.Minute)) != want {
					t.Fatalf("%s in %s, %s: from %s it turns at %s, and the oracle at %s", text, name, takes, at, turn, then)
				}
			}
		}
	})
}
