package fences

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// The longest that a file may be. One that must be longer says why at its head: "Longer than … lines because …".
const (
	longest     = 600
	longestTest = 1000
	excuse      = "longer than"
)

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		documented := false
		for _, path := range p.files(p.GoFiles) {
			file := parse(t, path, parser.PackageClauseOnly|parser.ParseComments)
			documented = documented || file.Doc != nil && len(file.Doc.Text()) > 20
		}
		if !documented {
			t.Errorf("%s: there is no package comment: what is it for, what goes in, what comes out, what must it never do?", p.short())
		}
	}
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.files(p.GoFiles) {
			file := parse(t, path, parser.ParseComments)
			if ast.IsGenerated(file) || p.Name == "main" {
				continue
			}
			for _, decl := range file.Decls {
				for _, name := range undocumented(decl) {
					t.Errorf("%s: %s is exported and says not what it is for", path, name)
				}
			}
		}
	}
}

// undocumented are the exported names of a declaration without a comment. A comment on a group is one for each of its
// names.
func undocumented(decl ast.Decl) []string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || ast.IsExported(receiver(d.Recv.List[0].Type))) && !obvious(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		if d.Doc != nil && (d.Lparen.IsValid() || len(d.Specs) == 1) {
			return nil
		}
		var names []string
		for _, spec := range d.Specs {
			names = append(names, undocumentedSpec(spec)...)
		}
		return names
	}
	return nil
}

func undocumentedSpec(spec ast.Spec) []string {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil {
			return []string{s.Name.Name}
		}
	case *ast.ValueSpec:
		var names []string
		for _, name := range s.Names {
			if name.IsExported() && s.Doc == nil && s.Comment == nil {
				names = append(names, name.Name)
			}
		}
		return names
	}
	return nil
}

// obvious methods carry out an interface that everybody knows.
func obvious(d *ast.FuncDecl) bool {
	switch d.Name.Name {
	case "Error", "String", "Unwrap", "Is", "As", "Len", "Less", "Swap", "Push", "Pop", "Read", "Write", "Close", "ServeHTTP", "MarshalJSON", "UnmarshalJSON":
		return d.Recv != nil
	}
	return false
}

func receiver(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func TestFilesAreShort(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.files(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			limit := longest
			if strings.HasSuffix(path, "_test.go") {
				limit = longestTest
			}
			lines := strings.Split(string(text), "\n")
			if len(lines) <= limit || ast.IsGenerated(parse(t, path, parser.ParseComments)) {
				continue
			}
			if !strings.Contains(strings.ToLower(strings.Join(lines[:40], " ")), excuse) {
				t.Errorf("%s: %d lines, more than %d, and its head says not why", path, len(lines), limit)
			}
		}
	}
}

// TestMainsOnlyParseFlags: what a program does is in a package that a test can call.
func TestMainsOnlyParseFlags(t *testing.T) {
	for _, p := range packages(t) {
		if p.Name != "main" {
			continue
		}
		if own := p.own(); len(p.GoFiles) != 1 || len(own) > 1 {
			t.Errorf("%s: a main is one file that calls one package of ours; this has %d files and imports %v", p.short(), len(p.GoFiles), own)
		}
		for _, path := range p.files(p.GoFiles) {
			if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), "\n") > 100 {
				t.Errorf("%s: a main of over a hundred lines does more than parse flags (%v)", path, err)
			}
		}
	}
}

func parse(t *testing.T, path string, mode parser.Mode) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
