package source_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A repository as git packs it after a while: deltas upon deltas, by offset.
func TestARepositoryThatGitHasPackedTightly(t *testing.T) {
	w := newWorld(t)
	want := map[string]string{}
	body := strings.Repeat("some: text that many files have\n", 40)
	for i := range 400 {
		name := fmt.Sprintf("datacenters/dc-%02d/server-%04d.yaml", i%7, i)
		want[name] = fmt.Sprintf("%snumber: %d\n%s", body, i, body[:i])
	}
	w.commit("many", want)
	for i := range 5 {
		name := fmt.Sprintf("datacenters/dc-00/server-%04d.yaml", i*7)
		want[name] += "more: true\n"
		w.commit("more", map[string]string{name: want[name]})
	}
	_, err := w.repo.Git("repack", "-a", "-d", "-f", "--depth=250", "--window=100", "-q")
	w.must(err)
	for _, url := range []string{w.request().URL, "file://" + w.repo.Dir} {
		req := w.request()
		req.URL = url
		start := time.Now()
		c := w.fetch(req)
		t.Logf("%d files of %s in %s", len(c.Files), url, time.Since(start).Round(time.Millisecond))
		if len(c.Files) != len(want) {
			t.Fatalf("got %d files, want %d", len(c.Files), len(want))
		}
		for _, f := range c.Files {
			if string(f.Data) != want[f.Path] {
				t.Errorf("%s differs", f.Path)
			}
		}
	}
}
