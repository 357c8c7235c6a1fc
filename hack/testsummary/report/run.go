package report

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// silence is how long nothing may be said.
const silence = 30 * time.Second

// Run runs `go test -json` with args in dir, once for each part that "--" divides them into, and tells whether all is well.
// Errors: go cannot be run, or it fails without a failure in its events.
func Run(ctx context.Context, out io.Writer, dir string, args []string, noSkips bool) (bool, error) {
	tally := NewTally(out, time.Now)
	var failed error
	for part := range parts(args) {
		failed = errors.Join(failed, test(ctx, tally, dir, part))
	}
	return tally.Finish(noSkips) && failed == nil, failed
}

// parts of arguments, between "--".
func parts(args []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for {
			end := slices.Index(args, "--")
			if end < 0 {
				yield(args)
				return
			}
			if !yield(args[:end:end]) {
				return
			}
			args = args[end+1:]
		}
	}
}

// test counts the events of one run.
func test(ctx context.Context, tally *Tally, dir string, args []string) error {
	before := tally.failed
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	// go passes it on to the tests, which clean up.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running go test: %w", err)
	}
	tell(tally, read(stdout))
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && (tally.failed == before || !errors.As(err, &exit)) {
		return fmt.Errorf("running go test: %w", err)
	}
	return nil
}

// tell counts events until there are no more, with a sign of life when there are none for long.
func tell(tally *Tally, events <-chan Event) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case event, more := <-events:
			if !more {
				return
			}
			tally.Add(event)
		case <-tick.C:
			tally.Heartbeat(silence)
		}
	}
}

// read gives the events of a run. A line that is none is passed on as output.
func read(from io.Reader) <-chan Event {
	events := make(chan Event, 64)
	go func() {
		defer close(events)
		reader := bufio.NewReaderSize(from, 1<<16)
		for {
			line, err := reader.ReadBytes('\n')
			if len(line) > 0 {
				var event Event
				if json.Unmarshal(line, &event) != nil || event.Action == "" {
					event = Event{Action: "build-output", Output: string(line)}
				}
				events <- event
			}
			if err != nil {
				return
			}
		}
	}()
	return events
}
