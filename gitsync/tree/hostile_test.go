package tree

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostile files of a mebibyte each, made to cost far more to read than to write.
func hostile() map[string]string {
	const size = 1<<20 - 100
	fill := func(part string) string { return strings.Repeat(part, size/len(part)) }
	var anchors, documents strings.Builder
	for n := 0; anchors.Len() < size-64; n++ {
		fmt.Fprintf(&anchors, "a%d: &a%d {b: c}\n", n, n)
	}
	for n := 0; documents.Len() < size-128; n++ {
		fmt.Fprintf(&documents, "---\nkind: Server\nmetadata:\n  name: x%d\n bad: y\n", n)
	}
	return map[string]string{
		"flow lists":        fill("["),
		"flow lists closed": strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		"flow maps":         fill("{a: "),
		"commas":            "a: [" + fill("a,") + "]",
		"empty keys":        "{" + fill("?,") + "}",
		"lists in lists":    fill("- "),
		"short lines":       fill("- a\n"),
		"empty entries":     fill("-\n"),
		"questions":         fill("? "),
		"keys":              fill("a:\n"),
		"one key again":     fill("a: b\n"),
		"comments":          fill("#\n"),
		"comments in lists": fill("- a\n#\n"),
		"comments, indents": fill("a:\n # x\n"),
		"blank lines":       "a: |\n" + fill(" \n"),
		"spaces":            "a:" + fill(" ") + "b",
		"quotes":            "a: \"" + fill("\\\"") + "\"",
		"anchors":           anchors.String(),
		"anchors, no value": fill("&a "),
		"tags":              fill("!a "),
		"broken documents":  documents.String(),
		"text blocks":       fill("- |\n x\n"),
		"colons":            fill(":"),
		"colons and spaces": fill(": "),
		"percent":           fill("%"),
		"dots":              fill("...\n"),
		"markers":           fill("---\n"),
		"merges":            "x: &x {a: b}\nl: [" + fill("{<<: *x},") + "]",
		"long key":          fill("k") + ": v",
		"long word":         fill("w"),
		"unclosed at end":   "a: b\n" + fill("c: d\n") + "e: [",
		"bad at end":        "a: b\n" + strings.Repeat("c: [d]\n", 18_000) + " e: f",
	}
}

// TestHostileFiles: each mebibyte is refused, or is nothing, within five seconds and 256 MiB.
func TestHostileFiles(t *testing.T) {
	for name, text := range hostile() {
		start := time.Now()
		peak := peakOf(func() {
			_, problems := Read([]File{{Path: "datacenters/west/a.yaml", Data: []byte(text)}}, withSchemas())
			for _, p := range problems {
				sound(t, name, p)
			}
			if len(problems) == 0 && strings.Trim(text, "#-.\n") != "" {
				t.Errorf("%s: taken", name)
			}
		})
		took := time.Since(start)
		if took > 5*time.Second || peak > 256<<20 {
			t.Errorf("%s took %s and %d MiB", name, took, peak>>20)
		}
		if took > time.Second || peak > 128<<20 {
			t.Logf("%s took %s and %d MiB", name, took, peak>>20)
		}
	}
}

// TestManyHostileFiles: sixteen of the dearest need little more room than one.
func TestManyHostileFiles(t *testing.T) {
	text := hostile()["empty keys"]
	var files []File
	for n := range 16 {
		files = append(files, File{Path: fmt.Sprintf("datacenters/west/%d.yaml", n), Data: []byte(text)})
	}
	start := time.Now()
	peak := peakOf(func() {
		if _, problems := Read(files, withSchemas()); len(problems) != 16 {
			t.Errorf("%d problems", len(problems))
		}
	})
	t.Logf("%s and %d MiB", time.Since(start), peak>>20)
	if peak > 512<<20 {
		t.Errorf("%d MiB", peak>>20)
	}
}

// peakOf the heap while f runs, beyond what there was before.
func peakOf(f func()) uint64 {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	done, seen := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(seen)
		ticks := time.NewTicker(5 * time.Millisecond)
		defer ticks.Stop()
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			if now.HeapInuse > before.HeapInuse {
				peak.Store(max(peak.Load(), now.HeapInuse-before.HeapInuse))
			}
			select {
			case <-done:
				return
			case <-ticks.C:
			}
		}
	}()
	f()
	close(done)
	<-seen
	return peak.Load()
}
