package fences

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// pure packages take values and give values.
var pure = []string{
	"engine/operation", "engine/rollout", "engine/ledger", "engine/profile", "engine/plan", "engine/fleet", "policies/rules", "gitsync/tree",
	"simulator/health",
}

// out of a pure package's reach: clients, logs, contexts, chance, processes.
var outOfReach = []string{
	"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "net/http", "net", "context", "log", "log/slog", "github.com/go-logr/logr",
	"math/rand", "math/rand/v2", "crypto/rand", "os", "os/exec",
}

// forbidden calls, by package name.
var forbidden = map[string][]string{
	"time":   {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
	"metav1": {"Now", "NowMicro"},
}

// mayBut is what a pure package imports all the same, with the reason.
var mayBut = map[string]map[string]string{}

func purePackages(t *testing.T) []pkg {
	t.Helper()
	var found []pkg
	for _, p := range packages(t) {
		if underAny(p.short(), pure) {
			found = append(found, p)
		}
	}
	return found
}

func TestPurePackagesReachForNothing(t *testing.T) {
	for _, p := range purePackages(t) {
		for _, path := range p.Imports {
			for _, no := range outOfReach {
				exact := !strings.Contains(no, ".") // of the standard library: net is not net/url
				if (exact && path == no || !exact && under(path, no)) && mayBut[p.short()][path] == "" {
					t.Errorf("%s imports %s: a decision takes values and gives values", p.short(), path)
				}
			}
		}
		for _, path := range p.files(p.GoFiles) {
			clockFree(t, path)
		}
	}
}

func clockFree(t *testing.T, path string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if of, ok := selector.X.(*ast.Ident); ok {
			for _, name := range forbidden[of.Name] {
				if selector.Sel.Name == name {
					t.Errorf("%s: %s.%s: a decision gets the time as a value", files.Position(selector.Pos()), of.Name, name)
				}
			}
		}
		return true
	})
}

func TestPurePackagesStandAlone(t *testing.T) {
	for _, p := range purePackages(t) {
		if own := p.own(); len(own) > 3 {
			t.Errorf("%s imports %d packages of ours, more than three: %s", p.short(), len(own), strings.Join(own, ", "))
		}
	}
}
