package stage

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

// screen prints lines and, on a terminal, bars below them that are drawn again in place. In a pipe a bar is a line
// whenever a server got done.
type screen struct {
	out      io.Writer
	terminal bool
	bars     []string // as drawn
	said     map[string]string
	last     time.Time
}

const (
	barWidth  = 24
	heartbeat = 10 * time.Second
)

func newScreen(out io.Writer) *screen {
	file, ok := out.(*os.File)
	return &screen{
		out: out, terminal: ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb", said: map[string]string{},
	}
}

// say prints a line above the bars.
func (s *screen) say(format string, args ...any) {
	s.print(fmt.Sprintf(format, args...)+"\n", s.bars)
}

// note prints a line that belongs to the bars.
func (s *screen) note(format string, args ...any) { s.say("      "+format, args...) }

// draw shows where each datacenter stands.
func (s *screen) draw(tallies []tally) {
	if !s.terminal {
		s.list(tallies)
		return
	}
	var bars []string
	for _, t := range tallies {
		full := int(t.progress*barWidth + 0.001)
		bars = append(bars, fmt.Sprintf("      %-14s %s%s %2d/%d  %s", t.name,
			strings.Repeat("█", full), strings.Repeat("░", barWidth-full), t.done, t.total, t.rest()))
	}
	if !slices.Equal(bars, s.bars) {
		s.print("", bars)
	}
}

// list prints those that changed, and all of them when nothing did for long.
func (s *screen) list(tallies []tally) {
	alive := time.Since(s.last) > heartbeat
	for _, t := range tallies {
		done := fmt.Sprintf("%d of %d done", t.done, t.total)
		if s.said[t.name] == done && !alive {
			continue
		}
		s.said[t.name] = done
		s.last = time.Now()
		s.note("%-14s %s%s", t.name, done, prefixed(", ", t.rest()))
	}
}

func (t tally) rest() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{t.running, "running"}, {t.total - t.done - t.running - t.failed, "waiting"}, {t.failed, "failed"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return prefixed("wave ", t.wave) + strings.TrimSuffix(prefixed(": ", strings.Join(parts, ", ")), ": ")
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// keep leaves the bars as they are: what comes next goes below.
func (s *screen) keep() { s.bars = nil }

// print takes the bars away, prints text, and draws the new ones.
func (s *screen) print(text string, bars []string) {
	var b strings.Builder
	if len(s.bars) > 0 {
		fmt.Fprintf(&b, "\033[%dA\033[J", len(s.bars))
	}
	b.WriteString(text)
	for _, bar := range bars {
		b.WriteString(bar + "\n")
	}
	s.bars = bars
	_, _ = io.WriteString(s.out, b.String()) // nobody is left to tell
}
