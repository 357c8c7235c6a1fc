package cli

import (
	"fmt"
	"slices"
	"strings"

	"stargate.io/stargate/cmd/stargate/render"
)

// node of a tree.
type node struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// State in a word or two; siblings that have the same fold into one line.
	State string `json:"state,omitempty"`
	// Message in a sentence.
	Message  string  `json:"message,omitempty"`
	Children []*node `json:"children,omitempty"`

	colour render.Colour
	// head is shown in front of the name in place of the kind.
	head string
	// alone: it has a line of its own, whatever its siblings are.
	alone bool
	busy  bool
}

func (n *node) add(children ...*node) {
	for _, child := range children {
		if child != nil {
			n.Children = append(n.Children, child)
		}
	}
}

// line shows one node.
func (n *node) line(style render.Style) string {
	words := []string{render.Or(n.head, n.Kind)}
	if n.Name != "" {
		words = append(words, render.Clean(n.Name))
	}
	text := strings.Join(words, " ")
	if n.State != "" {
		text += "  " + style.Paint(n.colour, render.Clean(n.State))
	}
	if n.Message != "" {
		text += "  " + render.Clean(n.Message)
	}
	return text
}

// treeLines draw a tree.
func (a *App) treeLines(root *node) []string {
	return append([]string{root.line(a.style)}, branches(root.Children, "", a.style)...)
}

func branches(children []*node, indent string, style render.Style) []string {
	var lines []string
	folded := fold(children)
	for i, each := range folded {
		branch, below := "├─ ", "│  "
		if i == len(folded)-1 {
			branch, below = "└─ ", "   "
		}
		lines = append(lines, indent+branch+each.line(style))
		lines = append(lines, branches(each.Children, indent+below, style)...)
	}
	return lines
}

// fold puts siblings in the same state into one, where the first of them stands.
func fold(children []*node) []*node {
	same := map[string][]*node{}
	var order []string
	for i, child := range children {
		name := child.Kind + "\x00" + child.State + "\x00" + child.Message
		if child.alone || len(child.Children) > 0 {
			name = fmt.Sprint(i)
		}
		if same[name] == nil {
			order = append(order, name)
		}
		same[name] = append(same[name], child)
	}
	folded := make([]*node, 0, len(order))
	for _, name := range order {
		if alike := same[name]; len(alike) == 1 {
			folded = append(folded, alike[0])
		} else {
			folded = append(folded, foldedNode(alike))
		}
	}
	return folded
}

// foldedNode says "12 servers ready  (server-001…server-012)".
func foldedNode(alike []*node) *node {
	first := alike[0]
	message := "(" + nameRange(alike) + ")"
	if first.Message != "" {
		message = first.Message + "  " + message
	}
	return &node{
		Kind: first.Kind, head: render.Count(len(alike), strings.ToLower(first.Kind)),
		State: first.State, colour: first.colour, Message: message,
	}
}

// nameRange names a few, and of many the first and the last.
func nameRange(nodes []*node) string {
	const few = 3
	names := make([]string, 0, len(nodes))
	for _, each := range nodes {
		names = append(names, each.Name)
	}
	slices.Sort(names)
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return names[0] + "…" + names[len(names)-1]
}
