// Package mutants_test plants bugs, one at a time, and shows that the tests catch each.
//
// In: the patches beside this file, each with a line on what the bug is. Out: a test for each, which
// fails where nothing caught it. The checkout is never touched: a patched file lives in a temporary
// folder and is laid over the build.
package mutants_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// top of the checkout, from here.
const top = "../.."

// suites that are asked about a bug, by the folder of what it is planted in: what concerns it, as it runs
// in continuous integration, and no more. An example that rapid finds needs not be made small.
var suites = map[string][][]string{
	"engine/operation":   ofOperations,
	"engine/ledger":      ofOperations,
	"engine/controllers": {{"./engine/controllers"}, {"./test/fault", "-run", "TestBlindLeader"}},
	"engine/rollout":     {{"./engine/rollout", "-rapid.shrinktime=1s"}},
	"engine/fleet":       {{"./engine/fleet"}},
	"engine/admission":   {{"./engine/admission"}},
	"engine/plan":        {{"./engine/plan"}},
	"gitsync/apply": {{
		"./gitsync/apply", "-rapid.nofailfile", "-rapid.shrinktime=1s",
		"-run", "Unchanged|WhatDiffers|Drift|Lists|Prune|Busy|Claimed",
	}},
	// As root only: they make network namespaces.
	"simulator/network": {{"./simulator/network", "-run", "Crash|Leaves|Taught"}},
	"simulator/host":    {{"./simulator/host", "-run", "Admit|Room"}},
	"simulator/account": {{"./simulator/account", "./simulator/qemu", "-run", "ID|User"}},
	"simulator/qemu":    {{"./simulator/qemu", "-run", "User|LiesOver"}},
	"simulator/image":   {{"./simulator/image", "-run", "Tool"}},
	"gitsync/tree":      {{"./gitsync/tree", "-rapid.nofailfile", "-run", "Commit|OrderOfFiles|Slip"}},
}

var ofOperations = [][]string{
	{"./engine/operation", "./engine/ledger", "-rapid.shrinktime=1s"},
	{"./test/sim", "-run", "TestHistories", "-sim.schedules=1500"},
}

var (
	patched = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`)
	failed  = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	broken  = regexp.MustCompile(`seed \d+: (I\d)`)
)

// TestMutants plants each patch; -run TestMutants/NAME plants one.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("each mutant builds and runs its suites")
	}
	patches, err := filepath.Glob("*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("no patches: %v", err)
	}
	for _, patch := range patches {
		t.Run(strings.TrimSuffix(patch, ".patch"), func(t *testing.T) {
			what, by := try(t, patch)
			if by == "" {
				t.Errorf("%s: nothing caught it", what)
			}
			t.Logf("| %s | %s | %s |", strings.TrimSuffix(patch, ".patch"), what, by)
		})
	}
}

// try plants one mutant and tells what it is and which tests caught it.
func try(t *testing.T, patch string) (what, by string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Clean(patch))
	if err != nil {
		t.Fatal(err)
	}
	what, _, _ = strings.Cut(string(text), "\n")
	overlay := plant(t, patch, string(text))
	var all []string
	for _, suite := range concerned(t, string(text)) {
		command := exec.CommandContext(t.Context(), "go", append([]string{"test", "-count=1", "-overlay", overlay}, suite...)...)
		command.Dir = top
		out, err := command.CombinedOutput()
		if err == nil {
			continue
		}
		found := findings(string(out))
		if len(found) == 0 {
			t.Fatalf("%s: it does not build: %.500s", what, out)
		}
		all = append(all, found...)
	}
	return what, strings.Join(all, ", ")
}

// concerned gives the suites of the folders that a patch is in.
func concerned(t *testing.T, text string) [][]string {
	t.Helper()
	var folders []string
	var all [][]string
	for _, match := range patched.FindAllStringSubmatch(text, -1) {
		folder := path.Dir(match[1])
		if suites[folder] == nil {
			t.Fatalf("no suite is named for %s", folder)
		}
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
			all = append(all, suites[folder]...)
		}
	}
	return all
}

// plant patches copies of the files, and gives the overlay that lays them over the checkout.
func plant(t *testing.T, patch, text string) string {
	t.Helper()
	folder, replace := t.TempDir(), map[string]string{}
	here, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range patched.FindAllStringSubmatch(text, -1) {
		original, err := os.ReadFile(filepath.Join(top, filepath.Clean(match[1])))
		if err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(here, match[1])] = filepath.Join(folder, match[1])
		write(t, filepath.Join(folder, match[1]), original)
	}
	apply := exec.CommandContext(t.Context(), "git", "apply", filepath.Join(here, "test/mutants", patch))
	apply.Dir = folder
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("the patch does not apply any more: %s", out)
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(folder, "overlay.json")
	write(t, overlay, encoded)
	return overlay
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
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
