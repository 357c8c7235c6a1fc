package syntax

import (
	"maps"
	"slices"
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// Tracker is the name of the function that a tracked script calls with each line before it runs it. No script can
// write it.
const Tracker = "\x00line"

// Lines that have statements, each once, in order.
func Lines(chunk []ast.Stmt) []int {
	lines := map[int]bool{}
	for _, block := range blocks(&chunk) {
		for _, statement := range *block {
			lines[statement.Line()] = true
		}
	}
	return slices.Sorted(maps.Keys(lines))
}

// Tracked gives a script that does the same and tells its lines. The tree is used up.
func Tracked(chunk []ast.Stmt) []ast.Stmt {
	for _, block := range blocks(&chunk) {
		told := make([]ast.Stmt, 0, 2*len(*block))
		for _, statement := range *block {
			told = append(told, tell(statement.Line()), statement)
		}
		*block = told
	}
	return chunk
}

// tell is the statement that tells a line.
func tell(line int) ast.Stmt {
	function, number := &ast.IdentExpr{Value: Tracker}, &ast.NumberExpr{Value: strconv.Itoa(line)}
	call := &ast.FuncCallExpr{Func: function, Args: []ast.Expr{number}}
	statement := &ast.FuncCallStmt{Expr: call}
	for _, node := range []ast.PositionHolder{function, number, call, statement} {
		node.SetLine(line)
		node.SetLastLine(line)
	}
	return statement
}

// blocks of a script, at every depth.
func blocks(chunk *[]ast.Stmt) []*[]ast.Stmt {
	found := []*[]ast.Stmt{chunk}
	todo := all(*chunk)
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], parts(next)...)
		found = append(found, blocksOf(next)...)
	}
	return found
}

// blocksOf are those that a node has itself.
func blocksOf(node any) []*[]ast.Stmt {
	switch n := node.(type) {
	case *ast.DoBlockStmt:
		return []*[]ast.Stmt{&n.Stmts}
	case *ast.WhileStmt:
		return []*[]ast.Stmt{&n.Stmts}
	case *ast.RepeatStmt:
		return []*[]ast.Stmt{&n.Stmts}
	case *ast.IfStmt:
		return []*[]ast.Stmt{&n.Then, &n.Else}
	case *ast.NumberForStmt:
		return []*[]ast.Stmt{&n.Stmts}
	case *ast.GenericForStmt:
		return []*[]ast.Stmt{&n.Stmts}
	case *ast.FunctionExpr:
		return []*[]ast.Stmt{&n.Stmts}
	}
	return nil
}
