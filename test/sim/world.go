package sim

import (
	"container/heap"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// epoch is when every history begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// namespace of everything.
const namespace = "fleet"

// Options of a history.
type Options struct {
	// Faults that take effect before they cease; there are at least so many.
	Faults int
	// Processes at once: 1, 2, or 0 for either.
	Processes int
	// Undisturbed: one Operation after the other, each on a Server of its own, with quick jobs.
	Undisturbed bool
	// Keep the history's lines, not only their hash.
	Keep bool
}

// Result of a history.
type Result struct {
	Seed uint64
	// Broken promises; empty where all were kept.
	Broken []string
	// Hash over every line of the history.
	Hash uint64
	// Lines of the history, where they were kept.
	Lines []string
	// Faults that took effect, Events that happened, Writes of the controllers, Jobs at the sites.
	Faults, Events, Writes, Jobs int
	// Operations that there were.
	Operations int
}

// world is one history.
type world struct {
	options Options
	random  *rand.Rand
	// now is the time that goes by; skew is how far the wall clock is off.
	now, skew time.Duration
	// skewed: the clock was ever set, so that what a process had by the clock may have been taken from it.
	skewed   bool
	events   schedule
	sequence uint64

	api       *apiServer
	sites     map[string]*site
	processes []*process
	people    *person
	judge     *judge

	calm   bool
	nested bool
	result Result
	hash   hash.Hash64
}

// wall gives the time that a process reads from its clock.
func (w *world) wall() time.Time { return epoch.Add(w.now + w.skew) }

// chance is true once in n times.
func (w *world) chance(n int) bool { return w.random.IntN(n) == 0 }

// between draws a time from a range.
func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.random.Int64N(int64(high-low)+1))
}

// note writes a line of the history.
func (w *world) note(who, what string, args ...any) {
	fmt.Fprintf(w.hash, "%d %s ", int64(w.now), who)
	fmt.Fprintf(w.hash, what, args...)
	if !w.options.Keep {
		return
	}
	w.result.Lines = append(w.result.Lines, fmt.Sprintf("%12s %-14s %s", w.now.Round(time.Millisecond), who, fmt.Sprintf(what, args...)))
}

// fault notes a fault that took effect.
func (w *world) fault(what string, args ...any) {
	w.result.Faults++
	w.note("FAULT", what, args...)
}

// broken notes a promise that was not kept.
func (w *world) broken(what string, args ...any) {
	text := fmt.Sprintf(what, args...)
	w.note("BROKEN", "%s", text)
	w.result.Broken = append(w.result.Broken, text)
}

// event is something that will happen.
type event struct {
	at       time.Duration
	sequence uint64
	do       func()
}

type schedule []event

func (s schedule) Len() int { return len(s) }
func (s schedule) Less(i, j int) bool {
	if s[i].at != s[j].at {
		return s[i].at < s[j].at
	}
	return s[i].sequence < s[j].sequence
}
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push implements heap.Interface.
func (s *schedule) Push(x any) { *s = append(*s, x.(event)) }

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	e := (*s)[last]
	(*s)[last] = event{}
	*s = (*s)[:last]
	return e
}

// after makes something happen later.
func (w *world) after(delay time.Duration, do func()) {
	w.sequence++
	heap.Push(&w.events, event{at: w.now + max(delay, 0), sequence: w.sequence, do: do})
}

// step lets the next event happen; false where there is none, or none before a time.
func (w *world) step(before time.Duration) bool {
	if len(w.events) == 0 || w.events[0].at > before {
		return false
	}
	e := heap.Pop(&w.events).(event)
	w.now = max(w.now, e.at)
	w.result.Events++
	e.do()
	return true
}

// interlude lets others act in the middle of a pass, as they would beside it.
func (w *world) interlude() {
	if w.nested || w.calm || w.options.Undisturbed || !w.chance(6) {
		return
	}
	w.nested = true
	defer func() { w.nested = false }()
	until := w.now + w.between(0, 100*time.Millisecond)
	for range 1 + w.random.IntN(8) {
		if !w.step(until) {
			break
		}
	}
}

func newWorld(seed uint64, options Options) *world {
	w := &world{options: options, random: rand.New(rand.NewPCG(seed, 0x5747)), sites: map[string]*site{}, hash: fnv.New64a()}
	w.result.Seed = seed
	w.api = newAPIServer(w)
	w.judge = &judge{world: w, intents: map[string]bool{}}
	w.people = &person{world: w}
	return w
}

// Text of a history, for whoever looks into it.
func (r Result) Text() string {
	return fmt.Sprintf("seed %d: %s\n%s", r.Seed, strings.Join(r.Broken, "\n"), strings.Join(r.Lines, "\n"))
}
