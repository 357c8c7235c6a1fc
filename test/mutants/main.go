// Mutants plants bugs, one at a time, and shows which test catches each.
//
// In: the patches beside this file, each with a line on what the bug is. Out: a table; the exit code
// tells whether enough of them were caught. The checkout is never touched: a patched file lives in a
// temporary folder and is laid over the build.
//
//	go run ./test/mutants [NAME...]
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// enough is the share of mutants that must be caught, in percent.
const enough = 95

// suites that are asked.
var suites = [][]string{
	{"./engine/operation", "./engine/ledger"},
	{"./test/sim", "-run", "TestHistories", "-sim.schedules=1500"},
}

var (
	patched = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`)
	failed  = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	broken  = regexp.MustCompile(`seed \d+: (I\d)`)
)

func main() {
	caught, all := 0, 0
	patches, err := filepath.Glob("test/mutants/*.patch")
	if err != nil || len(patches) == 0 {
		fmt.Fprintln(os.Stderr, "no patches: run it from the top of the checkout")
		os.Exit(1)
	}
	for _, patch := range patches {
		name := strings.TrimSuffix(filepath.Base(patch), ".patch")
		if len(os.Args) > 1 && !slices.ContainsFunc(os.Args[1:], func(part string) bool { return strings.Contains(name, part) }) {
			continue
		}
		all++
		by, what, err := try(patch)
		if err != nil {
			by = "NOT RUN: " + err.Error()
		} else if by != "" {
			caught++
		}
		fmt.Printf("| %s | %s | %s |\n", name, what, by)
	}
	fmt.Printf("%d of %d caught\n", caught, all)
	if caught*100 < all*enough {
		os.Exit(1)
	}
}

// try plants one mutant and tells which tests caught it; "" for none.
func try(patch string) (by, what string, err error) {
	text, err := os.ReadFile(patch) //nolint:gosec // a file of the checkout
	if err != nil {
		return "", "", err
	}
	what, _, _ = strings.Cut(string(text), "\n")
	folder, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", what, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	overlay, err := plant(folder, patch, string(text))
	if err != nil {
		return "", what, err
	}
	var all []string
	for _, suite := range suites {
		arguments := append([]string{"test", "-count=1", "-overlay", overlay}, suite...)
		out, err := exec.Command("go", arguments...).CombinedOutput() //nolint:gosec // our own suites
		if err == nil {
			continue
		}
		found := findings(string(out))
		if len(found) == 0 {
			return "", what, fmt.Errorf("it does not build: %.200s", out)
		}
		all = append(all, found...)
	}
	return strings.Join(all, ", "), what, nil
}

// plant patches a copy of the files, and gives the overlay that lays them over the checkout.
func plant(folder, patch, text string) (overlay string, err error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, match := range patched.FindAllStringSubmatch(text, -1) {
		original, err := os.ReadFile(match[1])
		if err != nil {
			return "", err
		}
		copied := filepath.Join(folder, match[1])
		if err := os.MkdirAll(filepath.Dir(copied), 0o750); err != nil {
			return "", err
		}
		if err := os.WriteFile(copied, original, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(here, match[1])] = copied
	}
	apply := exec.Command("git", "apply", filepath.Join(here, patch)) //nolint:gosec // a file of the checkout
	apply.Dir = folder
	if out, err := apply.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the patch does not apply any more: %s", strings.TrimSpace(string(out)))
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, encoded, 0o600)
}

// findings names the tests that failed, and the promises that a simulation saw broken.
func findings(out string) []string {
	var all []string
	for _, pattern := range []*regexp.Regexp{failed, broken} {
		for _, match := range pattern.FindAllStringSubmatch(out, -1) {
			if !slices.Contains(all, match[1]) {
				all = append(all, match[1])
			}
		}
	}
	return all
}
