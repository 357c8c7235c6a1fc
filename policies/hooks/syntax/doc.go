// Package syntax looks at scripts as trees: how deep they are nested, which lines have statements, and what tells
// that a line was run. Trees in, values or trees out; it runs nothing, and calls itself for nothing that is nested.
package syntax
