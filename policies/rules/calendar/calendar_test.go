package calendar_test

import (
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/policies/rules/calendar"
)

// TestTheRuleOfClocks is the documented rule, in Oslo: on 29 March 2026 the clock goes from 02:00 to
// 03:00, on 25 October from 03:00 to 02:00.
func TestTheRuleOfClocks(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	window, err := calendar.Window("02:30-06:00", "Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	cron, err := calendar.Cron("30 2 * * *", 10*time.Minute, "Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what     string
		span     calendar.Span
		at, turn string
	}{
		{"a skipped start is after the gap", window, "2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00"},
		{"and it ends as ever", window, "2026-03-29T03:00:00+02:00", "2026-03-29T06:00:00+02:00"},
		{"the first of two hours is inside", window, "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"the clock is put back out of it", window, "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"},
		{"and the second is inside too", window, "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"},
		{"a skipped firing is after the gap", cron, "2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"a firing is at the first of two", cron, "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"and not at the second", cron, "2026-10-25T02:40:00+02:00", "2026-10-26T02:30:00+01:00"},
	} {
		if got := c.span.Turn(at(c.at)); !got.Equal(at(c.turn)) {
			t.Errorf("%s: it turns at %s, want %s", c.what, got, c.turn)
		}
	}
}

// TestWhatIsNoCalendar names what is wrong and how to mend it.
func TestWhatIsNoCalendar(t *testing.T) {
	window := func(text, zone string) error { _, err := calendar.Window(text, zone); return err }
	cron := func(text string, open time.Duration) error { _, err := calendar.Cron(text, open, "UTC"); return err }
	freeze := func(from, to string) error { _, err := calendar.Freeze(from, to, "UTC"); return err }
	for _, c := range []struct {
		err  error
		says string
	}{
		{window("", "UTC"), "write days and times"},
		{window("Sat", "Europe/Olso"), `"Europe/Olso" is no time zone`},
		{window("Sat", "Local"), "is no time zone"},
		{window("Sat", "../../etc/passwd"), "is no time zone"},
		{window("Sa 02:00-04:00", "UTC"), `"Sa" is no day`},
		{window("Sat-Soon", "UTC"), `"Soon" is no day`},
		{window("Sat 2-4", "UTC"), `"2" is no time of day`},
		{window("Sat 02:00", "UTC"), "has no end"},
		{window("Sat 02:60-03:00", "UTC"), `"02:60" is no time of day`},
		{window("Sat 02:00-24:01", "UTC"), `"24:01" is no time of day`},
		{window("Sat 24:00-03:00", "UTC"), "write 00:00"},
		{window("Sat 02:00-02:00", "UTC"), "00:00-24:00"},
		{window("02:00-04:00 Sat", "UTC"), "the days come first"},
		{window("Sat 02:00 - 04:00", "UTC"), "is no window"},
		{window(strings.Repeat("Sat;", 100)+"Sun", "UTC"), "may be 64"},
		{cron("* * * *", time.Hour), "has 4 fields, not five"},
		{cron("60 * * * *", time.Hour), `"60" is no minute`},
		{cron("*/0 * * * *", time.Hour), "is no step"},
		{cron("0 2 L * *", time.Hour), `"L" is no day of the month`},
		{cron("0 2 * * 6-1", time.Hour), "ends before it starts"},
		{cron("0 2 30 2 *", time.Hour), "never fires"},
		{cron("0 2 * * *", 0), "more than nothing"},
		{cron("0 2 * * *", 32*24*time.Hour), "at most"},
		{freeze("2026-12-20", "2026-12-19"), "swap the two"},
		{freeze("20 December", "2026-12-24"), "is no day and no time"},
		{freeze("2026-12-20", "2026-02-30"), "is no day and no time"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("got %v, want something with %q", c.err, c.says)
		}
	}
}

func TestFreezesHaveTheirLastDay(t *testing.T) {
	freeze, err := calendar.Freeze("2026-12-20", "2027-01-05", "Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	start, end := time.Date(2026, 12, 19, 23, 0, 0, 0, time.UTC), time.Date(2027, 1, 5, 23, 0, 0, 0, time.UTC)
	if freeze.Contains(start.Add(-1)) || !freeze.Contains(start) || !freeze.Contains(end.Add(-1)) || freeze.Contains(end) {
		t.Error("it is from the first moment of the first day to the last of the last")
	}
	if !freeze.Turn(start.Add(-time.Hour)).Equal(start) || !freeze.Turn(start).Equal(end) || !freeze.Turn(end).IsZero() {
		t.Error("it turns at its start and at its end, and then no more")
	}
	// A day that was skipped, in Apia: a freeze of that day alone is empty, and says so.
	if _, err := calendar.Freeze("2011-12-30", "2011-12-30", "Pacific/Apia"); err == nil {
		t.Error("a freeze of a day that never was should be refused")
	}
}

func BenchmarkTurns(b *testing.B) {
	window, _ := calendar.Window("Sat-Sun 02:00-06:00", "Europe/Oslo")
	cron, _ := calendar.Cron("0 2 * * 6", 4*time.Hour, "Europe/Oslo")
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for name, span := range map[string]calendar.Span{"window": window, "cron": cron} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				span.Contains(at)
				span.Turn(at)
			}
		})
	}
}
