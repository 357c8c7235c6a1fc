// Package calendar knows when a maintenance window, a cron window or a freeze is open, in a time zone.
//
// In: what people write, such as "Sat-Sun 02:00-06:00" in "Europe/Oslo". Out: a Span, which tells of
// any instant whether it is inside, and when that next changes; or an error that says what is wrong
// with the text and how to mend it. It never reads a clock.
//
//	      Turn          Turn            Turn
//	───────┐  ┌──────────┐  ┌────────────┐
//	       └──┘  inside  └──┘   inside   └───▶ time
//
// Where clocks are put forward or back there is one rule. A window or a freeze is the set of the
// instants whose wall clock reads something inside it: a start that is skipped is at the first instant
// after the gap, and of an hour that comes twice both are inside. A cron expression fires once for each
// reading that it names: the first time the clock reads it, or, where that is skipped, at the first
// instant after the gap.
package calendar
