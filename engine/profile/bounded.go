package profile

import (
	"errors"
	"fmt"
	"text/template"
	"text/template/parse"
)

// bounded refuses what could make a template run for long: text/template counts to any number, and
// templates may call each other, without a way to stop them from outside.
func bounded(t *template.Template) error {
	if len(t.Templates()) > 1 {
		return errors.New("define and block are not allowed")
	}
	if t.Tree == nil {
		return nil
	}
	return boundedList(t.Root)
}

func boundedList(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		var err error
		switch node := node.(type) {
		case *parse.TemplateNode:
			err = fmt.Errorf("line %d: calling a template is not allowed", node.Line)
		case *parse.RangeNode:
			err = boundedRange(node)
		case *parse.IfNode:
			err = errors.Join(boundedList(node.List), boundedList(node.ElseList))
		case *parse.WithNode:
			err = errors.Join(boundedList(node.List), boundedList(node.ElseList))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// boundedRange lets a template range over the labels alone, and not within another range.
func boundedRange(node *parse.RangeNode) error {
	commands := node.Pipe.Cmds
	if len(commands) != 1 || commands[0].String() != ".server.labels" {
		return fmt.Errorf("line %d: range is allowed over .server.labels only", node.Line)
	}
	for _, inner := range append(node.List.Nodes, elseNodes(node)...) {
		if _, nested := inner.(*parse.RangeNode); nested {
			return fmt.Errorf("line %d: range within range is not allowed", node.Line)
		}
	}
	return errors.Join(boundedList(node.List), boundedList(node.ElseList))
}

func elseNodes(node *parse.RangeNode) []parse.Node {
	if node.ElseList == nil {
		return nil
	}
	return node.ElseList.Nodes
}
