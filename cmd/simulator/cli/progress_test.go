package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"stargate.io/stargate/simulator"
)

// jobOf a machine whose name and messages drive nobody's terminal.
func jobOf(id string) simulator.Job {
	return simulator.Job{ID: id, Action: simulator.Repave, Server: simulator.Server{Name: "web-1"}}
}

// told of a job that goes well, and of one that does not.
func tellOf(p *progress) {
	for _, at := range []simulator.Progress{
		{Stage: simulator.StageImage, Percent: 3, Message: "downloading: 1 of 64 MiB"},
		{Stage: simulator.StageImage, Percent: 30, Message: "downloading: 50 of 64 MiB"},
		{Stage: simulator.StageBoot, Percent: 60, Message: "\x1b[2Jcleared"},
		{Stage: simulator.StageDone, Percent: 100},
	} {
		p.tell(jobOf("j1"), at)
	}
	p.ended(jobOf("j1"), nil, false)
	p.tell(jobOf("j2"), simulator.Progress{Stage: simulator.StageImage, Percent: 1})
	p.ended(jobOf("j2"), errors.New("the checksum differs"), false)
	p.ended(jobOf("j3"), nil, true)
}

// TestProgressInAPipe: a line for each stage, and one for the end.
func TestProgressInAPipe(t *testing.T) {
	var out bytes.Buffer
	tellOf(newProgress(&out, ""))
	want := []string{
		"web-1  repave  image    3%  downloading: 1 of 64 MiB", "web-1  repave  boot   60%  ", "web-1  repave  done  100%  in 0s",
		"web-1  repave  image    1%  ", "web-1  repave  failed    0%  the checksum differs", "web-1  repave  left    0%  it goes on when the simulator is started again",
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("it prints\n%s", out.String())
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) || strings.ContainsRune(line, '\x1b') {
			t.Errorf("line %d is %q, want %q", i, line, want[i])
		}
	}
}

func TestProgressAsJSON(t *testing.T) {
	var out bytes.Buffer
	tellOf(newProgress(&out, "json"))
	var stages []string
	for decoder := json.NewDecoder(&out); ; {
		var got line
		if err := decoder.Decode(&got); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if got.Machine != "web-1" || got.Action != "repave" || got.At.IsZero() || got.Job == "" {
			t.Errorf("a line is %+v", got)
		}
		stages = append(stages, got.Stage)
	}
	if got := strings.Join(stages, " "); got != "image image boot done image failed left" {
		t.Errorf("the stages are %s", got)
	}
}

// TestProgressOnATerminal: a bar while a job runs, and a line that stays at its end.
func TestProgressOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	seen := make(chan string)
	go func() {
		text, _ := io.ReadAll(master) // it ends with an error when the terminal is closed
		seen <- string(text)
	}()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	p := newProgress(terminal, "")
	p.tell(jobOf("j1"), simulator.Progress{Stage: simulator.StageImage, Percent: 50, Message: "downloading: 32 of 64 MiB"})
	// The library draws by a clock of its own; it has drawn when the bar says so.
	for deadline := time.Now().Add(10 * time.Second); p.jobs["j1"].bar.Current() != 50; {
		if time.Now().After(deadline) {
			t.Fatal("the bar is never at 50")
		}
	}
	tellOf(p)
	p.bars.Shutdown()
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	text := <-seen
	for _, want := range []string{"█", "web-1", "done  100%", "the checksum differs"} {
		if !strings.Contains(text, want) {
			t.Errorf("the terminal does not show %q:\n%q", want, text)
		}
	}
	if strings.Contains(text, "\x1b[2J") {
		t.Errorf("a message clears the screen: %q", text)
	}
}
