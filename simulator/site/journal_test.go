package site

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// life is every kind of event, in an order that can be.
func life() []event {
	job := func(n int) *simulator.Job {
		return &simulator.Job{ID: fmt.Sprint("job-", n), Action: simulator.Repave, Server: simulator.Server{Name: fmt.Sprint("server-", n)},
			Image: &simulator.Image{OSVersion: "24.04", UserData: []byte("#cloud-config\n")}}
	}
	return []event{
		{Kind: accepted, At: start, JobID: "job-1", RequestID: "r-1", BodyHash: "h-1", Job: job(1)},
		{Kind: voided, At: start, RequestID: "r-9"},
		{Kind: began, At: start, JobID: "job-1"},
		{Kind: accepted, At: start, JobID: "job-2", RequestID: "r-2", BodyHash: "h-2", Job: job(2)},
		{Kind: ended, At: start, JobID: "job-1", Outcome: &outcome{Phase: wire.PhaseSucceeded, Percent: 100, Message: "done", Facts: &wire.Facts{Power: "on"}}},
		{Kind: cancelled, At: start, JobID: "job-2"},
	}
}

func write(t *testing.T, dir string, events []event) []byte {
	t.Helper()
	j, err := openJournal(dir, func(event) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := j.append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reopen reads a journal of that content.
func reopen(t *testing.T, dir string, text []byte) ([]event, error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "journal"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var events []event
	j, err := openJournal(dir, func(e event) error { events = append(events, e); return nil })
	if err != nil {
		return nil, err
	}
	return events, j.close()
}

// told gives events as text, to compare.
func told(t interface{ Fatal(...any) }, events []event) string {
	text, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) == 0 {
		return "[]"
	}
	return string(text)
}

// TestCutAnywhere: a journal that a crash cut at any byte gives every event before the cut, and takes more.
func TestCutAnywhere(t *testing.T) {
	events, dir := life(), t.TempDir()
	text := write(t, dir, events)
	for size := len(header); size <= len(text); size++ {
		got, err := reopen(t, dir, text[:size])
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", size, len(text), err)
		}
		want := events[:bytes.Count(text[len(header):size], []byte("\n"))]
		if told(t, got) != told(t, want) {
			t.Fatalf("cut at %d of %d: got %s, want %s", size, len(text), told(t, got), told(t, want))
		}
		more := event{Kind: voided, At: start, RequestID: "more"}
		whole := write(t, dir, []event{more})
		if got, err := reopen(t, dir, whole); err != nil || len(got) != len(want)+1 || got[len(want)].RequestID != "more" {
			t.Fatalf("cut at %d of %d and written on: %v, %v", size, len(text), got, err)
		}
	}
}

// TestDamage: a byte that changed before the last line is found, and nothing is guessed.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	text := write(t, dir, life())
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	for at := range text {
		spoilt := bytes.Clone(text)
		spoilt[at] ^= 0x04
		got, err := reopen(t, dir, spoilt)
		switch {
		case at < last && err == nil:
			t.Fatalf("byte %d of %d changed, and nobody noticed: %+v", at, len(text), got)
		case at >= last && err == nil && len(got) != len(life())-1: // a crash may have made it so, or not
			t.Fatalf("byte %d of the last line changed, and it is believed: %+v", at-last, got)
		}
	}
}

func TestJournalIsRefused(t *testing.T) {
	dir := t.TempDir()
	text := write(t, dir, life())
	for name, spoilt := range map[string]string{
		"another version": strings.Replace(string(text), "jobs 1", "jobs 2", 1),
		"empty":           "",
		"no header":       string(text[len(header):]),
		"endless line":    string(text) + strings.Repeat("a", maxLine+1) + "\n" + string(text[len(header):]),
	} {
		if _, err := reopen(t, dir, []byte(spoilt)); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: got %v, want it refused by its line", name, err)
		}
	}
}

func TestOneProcessHasAJournal(t *testing.T) {
	dir := t.TempDir()
	first, err := openJournal(dir, func(event) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if second, err := openJournal(dir, func(event) error { return nil }); err == nil {
		t.Errorf("a second process got it too: %v", second.close())
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
}

// TestJournalIsPrivate: what it holds of cloud-init is nobody else's to read.
func TestJournalIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jobs")
	write(t, dir, life())
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, "journal"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
}

// TestRewritten: a journal written anew adds up to the same book, without the documents of jobs that have ended.
func TestRewritten(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBook()
		steps := rapid.IntRange(0, 60).Draw(r, "steps")
		for range steps {
			_ = b.apply(anyEvent(r, b)) // what cannot follow changes nothing
		}
		again := newBook()
		for _, e := range b.events() {
			if err := again.apply(e); err != nil {
				r.Fatalf("the journal written anew does not add up: %v", err)
			}
		}
		if was, is := told(r, b.events()), told(r, again.events()); was != is {
			r.Fatalf("another book: %s, was %s", is, was)
		}
		if was, is := slices.Sorted(maps.Keys(b.live)), slices.Sorted(maps.Keys(again.live)); !slices.Equal(was, is) {
			r.Fatalf("other servers have a live job: %v, were %v", is, was)
		}
		for id, j := range b.live {
			if told := again.live[id]; told.id != j.id || told.began != j.began || told.cancelled != j.cancelled || string(told.job.Image.UserData) != "secret" {
				r.Fatalf("another live job: %+v, was %+v", told, j)
			}
		}
	})
}

func anyEvent(r *rapid.T, b *book) event {
	n := rapid.IntRange(0, 9).Draw(r, "n")
	id := fmt.Sprint("job-", n)
	switch rapid.SampledFrom([]kind{accepted, began, cancelled, ended, voided}).Draw(r, "kind") {
	case accepted:
		server := fmt.Sprint("server-", rapid.IntRange(0, 3).Draw(r, "server"))
		return event{Kind: accepted, At: start, JobID: id, RequestID: fmt.Sprint("r-", n), BodyHash: "h", Job: &simulator.Job{
			ID: id, Action: simulator.Repave, Server: simulator.Server{Name: server}, Image: &simulator.Image{UserData: []byte("secret")},
		}}
	case began:
		return event{Kind: began, At: start, JobID: id}
	case cancelled:
		return event{Kind: cancelled, At: start, JobID: id}
	case ended:
		return event{Kind: ended, At: start, JobID: id, Outcome: &outcome{Phase: wire.PhaseFailed, Message: "no", Untouched: true}}
	default:
		return event{Kind: voided, At: start, RequestID: fmt.Sprint("v-", len(b.voided))}
	}
}

// TestRewrittenForgetsDocuments: the ids stay for ever, what was in the requests does not.
func TestRewrittenForgetsDocuments(t *testing.T) {
	dir := t.TempDir()
	b := newBook()
	j, err := openJournal(dir, b.apply)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.close() }()
	const many = remembered + 200
	for n := range many {
		for _, e := range []event{
			{Kind: accepted, At: start, JobID: fmt.Sprint("job-", n), RequestID: fmt.Sprint("r-", n), BodyHash: "h", Job: &simulator.Job{
				Server: simulator.Server{Name: "server-1"}, Image: &simulator.Image{UserData: []byte("canary")},
			}},
			{Kind: ended, At: start, JobID: fmt.Sprint("job-", n), Outcome: &outcome{Phase: wire.PhaseSucceeded, Message: "a long story"}},
		} {
			if err := b.apply(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.rewrite(b.events()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(j.path())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(text), "a long story"); got != remembered {
		t.Errorf("%d jobs are remembered with what was said of them, want %d", got, remembered)
	}
	if strings.Contains(string(text), "Y2FuYXJ5") { // canary, as JSON has bytes
		t.Error("a document of a job that has ended is still there")
	}
	if got := strings.Count(string(text), `"requestId"`); got != many {
		t.Errorf("%d request ids are on record, want %d", got, many)
	}
	// It goes on in the new file.
	if err := j.append(event{Kind: voided, At: start, RequestID: "more"}); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(j.path()); err != nil || !strings.Contains(string(text), "more") {
		t.Errorf("what came after is not in the journal: %v", err)
	}
}
