package worker

import (
	"maps"
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

func tracked(chunk []ast.Stmt) []ast.Stmt { return chunk }

func sorted(lines map[int]bool) []int { return slices.Sorted(maps.Keys(lines)) }
