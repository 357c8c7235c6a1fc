// Package treetest makes commits that are wrong in every way that somebody thought of, for tests of whatever reads
// commits.
//
// In: a seed. Out: the files of a commit that would be whole but for one thing, and where that stands. It reads nothing
// and knows no kinds: what it gives is text.
package treetest

import (
	"fmt"
	"maps"
	"strings"
)

// Case is one broken commit. It is meant for a fleet that allows no kinds beside Stargate's own.
type Case struct {
	// Name of what is wrong, unique among the cases.
	Name string
	// Files of the commit by path.
	Files map[string]string
	// WantFile and WantLine are where a problem must be told.
	WantFile string
	WantLine int
}

// marker stands in a text before the line where a problem must be told.
const marker = "¤"

// Broken gives over a hundred broken commits. The seed decides what stands around the broken part.
func Broken(seed uint64) []Case {
	s := &source{state: seed}
	var cases []Case
	for _, group := range [][]broken{syntax(), bombs(), kinds(), fields(), metadata(), references(), duplicates(), layout(), settings()} {
		for _, b := range group {
			cases = append(cases, b.commit(s))
		}
	}
	return cases
}

// Whole gives a commit with nothing wrong.
func Whole(seed uint64) map[string]string {
	s := &source{state: seed}
	files := map[string]string{
		"profiles/base.yaml": object("ProvisioningProfile", "base", `osVersion: "2.0.0"`),
		"datacenters/west/site.yaml": object("Datacenter", "west", "driver: redfish") + "---\n" +
			object("ServerGroup", "web", "selector: {matchLabels: {role: web}}", "provisioningProfileRef: {name: base}"),
		"datacenters/east/site.yaml": object("Datacenter", "east", "driver: redfish"),
	}
	for _, dc := range []string{"west", "east"} {
		var b strings.Builder
		for n := range 2 + s.below(6) {
			b.WriteString("---\n# a server as it should be\n" + server(fmt.Sprintf("good-%d", n), n))
		}
		files["datacenters/"+dc+"/servers.yaml"] = b.String()
	}
	return files
}

// broken part of a commit.
type broken struct {
	name string
	// file that the text goes into; by default one of the datacenter west, after some servers as they should be.
	file string
	text string
	// more files.
	more map[string]string
}

func (b broken) commit(s *source) Case {
	files := Whole(s.next())
	file, before := b.file, ""
	if file == "" {
		file = "datacenters/west/broken.yaml"
		for n := range s.below(5) {
			before += server(fmt.Sprintf("before-%d", n), 100+n) + "---\n"
		}
	}
	text := before + b.text
	line := 1
	if at := strings.Index(text, marker); at >= 0 {
		line = 1 + strings.Count(text[:at], "\n")
		text = strings.Replace(text, marker, "", 1)
	}
	files[file] = text
	maps.Copy(files, b.more)
	return Case{Name: b.name, Files: files, WantFile: file, WantLine: line}
}

// object of a kind of ours with lines of its spec.
func object(kind, name string, spec ...string) string {
	text := "apiVersion: stargate.io/v1alpha1\nkind: " + kind + "\nmetadata:\n  name: " + name + "\nspec:\n"
	for _, line := range spec {
		text += "  " + line + "\n"
	}
	return text
}

// server of its own MAC and address.
func server(name string, n int, more ...string) string {
	return object("Server", name, append([]string{fmt.Sprintf(`mac: "52:54:00:00:%02x:%02x"`, n>>8&255, n&255), fmt.Sprintf("ipv4: 10.0.%d.%d", n>>8&255, n&255)}, more...)...)
}

// source of chance that is the same for the same seed (splitmix64).
type source struct{ state uint64 }

func (s *source) next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (s *source) below(n int) int {
	return int(s.next() % uint64(n)) //nolint:gosec // n is small
}
