package worker

import (
	"flag"
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

var update = flag.Bool("update", false, "write docs/reference/hooks.md")

func TestReferenceIsUpToDate(t *testing.T) {
	const path = "../../../docs/reference/hooks.md"
	if *update {
		if err := os.WriteFile(path, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Reference() {
		t.Errorf("%s is not what the code says: run hack/generate.sh", path)
	}
}

// TestEveryNameIsListed: a state has the names that are listed, and no other, at any depth.
func TestEveryNameIsListed(t *testing.T) {
	r := &run{server: &server{}}
	L := r.newState()
	listed := map[string]bool{}
	for _, name := range base {
		listed[name] = true
	}
	for module, names := range from {
		listed[module] = true
		for _, name := range names {
			listed[module+"."+name] = true
		}
	}
	for _, f := range library {
		listed[strings.TrimPrefix(f.Module+"."+f.Name, ".")] = true
		if f.Module != "" {
			listed[f.Module] = true
		}
	}
	found := map[string]bool{}
	globals := L.Get(lua.GlobalsIndex).(*lua.LTable)
	globals.ForEach(func(key, value lua.LValue) {
		found[key.String()] = true
		if table, ok := value.(*lua.LTable); ok && table != globals {
			table.ForEach(func(inner, _ lua.LValue) { found[key.String()+"."+inner.String()] = true })
		}
	})
	for name := range found {
		if !listed[name] {
			t.Errorf("scripts have %s, which is not listed", name)
		}
	}
	for name := range listed {
		if !found[name] {
			t.Errorf("%s is listed, and scripts have it not", name)
		}
	}
	if L.GetMetatable(lua.LString("")) != lua.LFalse {
		t.Error("scripts see the metatable of texts")
	}
}
