package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"pgregory.net/rapid"
)

func TestCleanLetsNothingDriveATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain words":                "plain words",
		"two\nlines\r\n":             "two lines",
		"\x1b[2Jgone":                "[2Jgone",
		"bell\x07 and \x9b31m":       "bell and 31m",
		"right\u202eto\u2066left":    "righttoleft",
		"a\u200bb\ufeffc":            "abc",
		"tab\tand  two":              "tab and two",
		"größer ist 大きい":             "größer ist 大きい",
		"\u2028line separator\u2029": "line separator",
	} {
		if got := Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
}

// Whatever is in the cells, each row is one line, and its columns begin where the header's do.
func TestTableKeepsItsColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(rapid.String(), 2, 2), 1, 5).Draw(t, "rows")
		table := Table{Header: []string{"NAME", "REST"}}
		for _, row := range rows {
			// The marker shows where the second column begins.
			table.Rows = append(table.Rows, Texts(row[0], "|"+row[1]))
		}
		lines := table.Lines(Style{}, 0)
		if len(lines) != len(rows)+1 {
			t.Fatalf("%d lines for %d rows", len(lines), len(rows))
		}
		start := strings.Index(lines[0], "REST")
		for i, line := range lines[1:] {
			if strings.ContainsAny(line, "\n\r\x1b\t") {
				t.Fatalf("line %q can drive a terminal", line)
			}
			first := Clean(rows[i][0])
			if got := runewidth.StringWidth(line[:strings.Index(line[len(first):], "|")+len(first)]); got != start {
				t.Fatalf("line %q: second column at %d, want %d", line, got, start)
			}
		}
	})
}

func TestTableIsCutToTheScreenOnly(t *testing.T) {
	table := Table{Header: []string{"A", "B"}, Rows: [][]Cell{{Text("one"), {Text: strings.Repeat("x", 50), Colour: Bad}}}}
	for _, line := range table.Lines(Style{Colour: true}, 20) {
		plain := strings.NewReplacer(string(Bad), "", reset, "").Replace(line)
		if runewidth.StringWidth(plain) > 20 || strings.Contains(plain, "\x1b") {
			t.Errorf("%q is wider than 20, or its colour was cut", line)
		}
	}
	var out bytes.Buffer
	if err := table.Write(&out, Style{}); err != nil {
		t.Fatal(err)
	}
	if want := "A     B\none   " + strings.Repeat("x", 50) + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestBar(t *testing.T) {
	for percent, want := range map[int32]string{-5: "░░░░", 0: "░░░░", 49: "█░░░", 50: "██░░", 99: "███░", 100: "████", 300: "████"} {
		if got := Bar(percent, 4); got != want {
			t.Errorf("Bar(%d) = %s, want %s", percent, got, want)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for since, want := range map[time.Time]string{
		{}: "-", now.Add(-7 * time.Second): "7s", now.Add(-72 * time.Second): "72s", now.Add(time.Hour): "0s", now.Add(-50 * time.Hour): "2d2h",
	} {
		if got := Age(since, now); got != want {
			t.Errorf("Age(%s) = %s, want %s", since, got, want)
		}
	}
}

func TestStyleOfAPipe(t *testing.T) {
	if style := StyleOf(&bytes.Buffer{}); style != (Style{}) {
		t.Errorf("a buffer is no terminal, got %+v", style)
	}
	if got := (Style{}).Paint(Bad, "text"); got != "text" {
		t.Errorf("painted %q without colours", got)
	}
}
