package syntax

import "github.com/yuin/gopher-lua/ast"

// node of a syntax tree on its level.
type node struct {
	of    any
	level int
}

// TooDeep gives the line of something that is nested deeper than so many levels, zero for none. It keeps
// what it has yet to look at on the heap, whatever the tree.
func TooDeep(chunk []ast.Stmt, most int) int {
	todo := []node{{chunk, 0}}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if next.level > most {
			if at, ok := next.of.(ast.PositionHolder); ok && at.Line() > 0 {
				return at.Line()
			}
			if next.level > most+1 {
				return 1 // a tree without positions
			}
		}
		for _, part := range parts(next.of) {
			todo = append(todo, node{part, next.level + 1})
		}
	}
	return 0
}

// parts of a node, blocks and lists as one each.
func parts(of any) []any {
	switch n := of.(type) {
	case []ast.Stmt:
		return all(n)
	case []ast.Expr:
		return all(n)
	case ast.Stmt:
		return statementParts(n)
	case ast.Expr:
		return expressionParts(n)
	}
	return nil
}

// all members of a block or list, which are on a level of their own.
func all[T any](members []T) []any {
	them := make([]any, len(members))
	for i, member := range members {
		them[i] = member
	}
	return them
}

func statementParts(statement ast.Stmt) []any {
	switch s := statement.(type) {
	case *ast.AssignStmt:
		return []any{s.Lhs, s.Rhs}
	case *ast.LocalAssignStmt:
		return []any{s.Exprs}
	case *ast.FuncCallStmt:
		return []any{s.Expr}
	case *ast.DoBlockStmt:
		return []any{s.Stmts}
	case *ast.WhileStmt:
		return []any{s.Condition, s.Stmts}
	case *ast.RepeatStmt:
		return []any{s.Condition, s.Stmts}
	case *ast.IfStmt:
		return []any{s.Condition, s.Then, s.Else}
	case *ast.NumberForStmt:
		return []any{s.Init, s.Limit, s.Step, s.Stmts}
	case *ast.GenericForStmt:
		return []any{s.Exprs, s.Stmts}
	case *ast.FuncDefStmt:
		return []any{s.Name.Func, s.Name.Receiver, s.Func}
	case *ast.ReturnStmt:
		return []any{s.Exprs}
	}
	return nil
}

func expressionParts(expression ast.Expr) []any {
	switch e := expression.(type) {
	case *ast.AttrGetExpr:
		return []any{e.Object, e.Key}
	case *ast.TableExpr:
		var fields []any
		for _, field := range e.Fields {
			fields = append(fields, field.Key, field.Value)
		}
		return fields
	case *ast.FuncCallExpr:
		return []any{e.Func, e.Receiver, e.Args}
	case *ast.FunctionExpr:
		return []any{e.Stmts}
	}
	return operands(expression)
}

func operands(expression ast.Expr) []any {
	switch e := expression.(type) {
	case *ast.LogicalOpExpr:
		return []any{e.Lhs, e.Rhs}
	case *ast.RelationalOpExpr:
		return []any{e.Lhs, e.Rhs}
	case *ast.StringConcatOpExpr:
		return []any{e.Lhs, e.Rhs}
	case *ast.ArithmeticOpExpr:
		return []any{e.Lhs, e.Rhs}
	case *ast.UnaryMinusOpExpr:
		return []any{e.Expr}
	case *ast.UnaryNotOpExpr:
		return []any{e.Expr}
	case *ast.UnaryLenOpExpr:
		return []any{e.Expr}
	}
	return nil
}
