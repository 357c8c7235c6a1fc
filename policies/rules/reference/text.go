package reference

const head = `<!-- Written by hack/generate.sh from policies/rules. Change that, not this. -->
# The language of policies

Rules are [CEL](https://cel.dev). A rule is violated when its expression is false. What a rule may know are *facts*, a shape
of their own with types: a field that there is not is refused when the policy is compiled, with the name that was probably
meant. Nothing in a rule can change anything.

| effect | of a violated rule |
|---|---|
| Deny | the Operation ends |
| Hold | it waits until what the rule read changes |
| Warn | it passes, with an event |
| Audit | it passes, and is counted |

| reason | |
|---|---|
| PolicyViolated | the expression is false |
| PolicyInvalid | the policy does not compile: it holds what it matches, and nothing else |
| PolicyError | the expression ended in an error, such as a label that is not there |
| PolicyTooCostly | it cost more than it may |
| NotStamped | it asks for a requester or a source that no admission vouches for |
| FleetNotCounted | it asks something of the fleet that is not counted yet |

But for the first, each holds, whatever the rule's effect: what cannot be told does not pass. With enforcement DryRun all of
it is told, and nothing of it happens.

## Variables

Beside the facts there are ` + "`now`" + `, the time of the judgement, a timestamp in UTC; ` + "`fleet`" + `, which answers questions about all
servers; and ` + "`variables.NAME`" + `, which the policy declares: each is computed at most once, and only when it is asked for, and may
use those before it.

A label may be missing. ` + "`server.labels.rack`" + ` then ends in an error, which holds and names label and server;
` + "`server.labels[?\"rack\"].orValue(\"\")`" + ` has a default.

`

const questions = `## Questions to the fleet

Each is answered in constant time, whatever the size of the fleet, from counters that are kept for what policies ask. So what
is counted by must be written out: a map of keys, with any strings as values. ` + "`{}`" + ` is the whole fleet. Keys are ` + "`datacenter`, `namespace`, `group`, `operation`" + ` (the action;
only of active and failed), or the key of a server label; ` + "`label:KEY`" + ` is a label that is called like one of the four. What is active
or unavailable never counts the Operation that is judged, nor its server: ` + "`fleet.unavailable({\"rack\": server.labels.rack}) < 1`" + ` lets one
server of a rack be down at a time.

`

const clock = `## The clock

A rule that asks the clock by these has a known end: what is held says until when. One that compares ` + "`now`" + ` itself is asked
again each minute, and ` + "`stargate policy check`" + ` warns of it.

A window is days, times, or both: ` + "`Sat-Sun 02:00-06:00`, `Mon,Wed 22:00-04:00`" + ` (until the morning after), ` + "`Fri`, `00:00-24:00`" + `;
several are separated by ` + "`;`" + `. A cron expression has five fields, with names, ranges, lists and steps; where both the day of the
month and the day of the week are given, one of them is enough. Zones are those of the tz database, such as ` + "`Europe/Oslo`" + `.

Where clocks are put forward or back there is one rule. A window or a freeze is the set of the instants whose wall clock reads
something inside it: a start that is skipped is at the first instant after the gap, and of an hour that comes twice both are
inside. A cron expression fires once for each reading that it names: the first time the clock reads it, or, where that is
skipped, at the first instant after the gap.

`

const others = `## Functions

The macros of CEL (` + "`has`, `all`, `exists`, `exists_one`, `map`, `filter`" + `, also with two variables), optional values (` + "`[?…]`, `.?`, `orValue`" + `), and:

`

const limits = `
## Limits

An expression is at most %d bytes long, and nested at most %d brackets deep. What it could cost is estimated when it is compiled, and what
it does cost is bounded when it runs: %d units for one expression and %d for all of a policy. A step of a loop or a call is a few units, a
text a tenth of a unit for each byte. Texts that an expression makes are at most %d KiB long, lists at most %d items, and one judgement asks the fleet at
most %d questions. What goes over a bound holds.
`
