package fences

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "stargate.io/stargate/"

// pkg is what `go list` says of a package of ours.
type pkg struct {
	ImportPath, Name, Dir string
	GoFiles, Imports      []string
	TestGoFiles           []string
	XTestGoFiles          []string
}

// short is the path within the module.
func (p pkg) short() string { return strings.TrimPrefix(p.ImportPath, module) }

// own are the imports of ours, without those of its tests.
func (p pkg) own() []string {
	var own []string
	for _, path := range p.Imports {
		if short, ok := strings.CutPrefix(path, module); ok {
			own = append(own, short)
		}
	}
	return own
}

func (p pkg) files(names ...[]string) []string {
	var paths []string
	for _, list := range names {
		for _, name := range list {
			paths = append(paths, filepath.Join(p.Dir, name))
		}
	}
	return paths
}

var list = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,GoFiles,Imports,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
})

func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatalf("listing our packages: %v", err)
	}
	if len(all) < 5 {
		t.Fatalf("listing our packages: got %d only", len(all))
	}
	return all
}

// under tells whether a path is a folder or something in it.
func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func underAny(path string, folders []string) bool {
	for _, folder := range folders {
		if under(path, folder) {
			return true
		}
	}
	return false
}

// storeys of the house: each may import what is named here, and itself. The longest name that fits counts.
var storeys = map[string][]string{
	"api/v1alpha1":         {},
	"policies":             {},
	"drivers":              {},
	"drivers/dcapi":        {"drivers"},
	"drivers/dcapi/wire":   {},
	"drivers/conformance":  {"drivers"},
	"drivers/redfish":      {"drivers"},
	"simulator":            {"drivers/dcapi/wire"},
	"gitsync":              {"api", "policies", "drivers"},
	"engine":               {"api", "policies", "drivers", "gitsync"},
	"engine/profile":       {"api", "drivers"},
	"engine/operation":     {"api", "drivers", "engine/profile"},
	"engine/ledger":        {"api", "policies"},
	"engine/explain":       {"api", "engine/ledger", "engine/operation"},
	"engine/rollout":       {"api", "policies", "engine/ledger", "engine/profile"},
	"engine/plan":          {"api", "engine/operation", "gitsync/tree"},
	"engine/plan/forecast": {"api", "engine/ledger", "engine/rollout"},
	"cmd/hookworker":       {"policies"},
	"cmd/mockdc":           {"drivers/dcapi/wire"},
	"cmd/simulator":        {"api", "policies", "drivers", "simulator", "engine", "config"},
	"cmd/stargate":         {"api", "policies", "drivers", "gitsync", "engine", "config"},
	"config":               {},
	"hack":                 {"api", "policies", "test/gitserver"},
	"test/gitserver":       {},
	"test":                 {"api", "policies", "drivers", "gitsync", "simulator", "engine", "cmd", "config", "hack"},
}

func storeyOf(path string) (string, bool) {
	best, found := "", false
	for name := range storeys {
		if under(path, name) && len(name) >= len(best) {
			best, found = name, true
		}
	}
	return best, found
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		storey, known := storeyOf(p.short())
		if !known {
			t.Errorf("%s: which storey of the house is it? name it in this test", p.short())
			continue
		}
		for _, own := range p.own() {
			if !under(own, storey) && !underAny(own, storeys[storey]) {
				t.Errorf("%s imports %s: %s may import %s and itself only", p.short(), own, storey, orNothing(storeys[storey]))
			}
		}
	}
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing of ours"
	}
	return strings.Join(names, ", ")
}

func TestNothingImportsCommands(t *testing.T) {
	for _, p := range packages(t) {
		for _, own := range p.own() {
			if under(own, "cmd") && !under(p.short(), "test") && !sameCommand(p.short(), own) {
				t.Errorf("%s imports %s: commands are for people, and for tests", p.short(), own)
			}
		}
	}
}

// sameCommand tells whether both belong to the same command, cmd/NAME.
func sameCommand(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	return len(as) > 1 && len(bs) > 1 && as[0] == "cmd" && as[1] == bs[1]
}
