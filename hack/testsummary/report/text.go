package report

import (
	"fmt"
	"regexp"
	"strings"
)

func shorten(pkg string) string { return strings.TrimPrefix(pkg, "stargate.io/stargate/") }

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

// strip leaves out what the framework says about the test itself.
func strip(output []string) string {
	var kept strings.Builder
	for _, line := range output {
		word := strings.TrimSpace(line)
		if strings.HasPrefix(word, "=== ") || strings.HasPrefix(word, "--- ") || word == "PASS" || word == "FAIL" ||
			strings.HasPrefix(word, "FAIL\t") {
			continue
		}
		kept.WriteString(line)
	}
	return strings.TrimRight(kept.String(), "\n")
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}

// place is where a test says something: "file_test.go:12: ".
var place = regexp.MustCompile(`^[\w.-]+\.go:\d+: `)

// reason is what a test said before it skipped itself.
func reason(output []string) string {
	lines := strings.Split(strip(output), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if place.MatchString(line) {
			rest := append([]string{place.ReplaceAllString(line, "")}, lines[i+1:]...)
			for j := range rest {
				rest[j] = strings.TrimSpace(rest[j])
			}
			return strings.Join(rest, " ")
		}
	}
	return "it gives no reason"
}
