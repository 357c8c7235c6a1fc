package tree

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// size of a node once its aliases are written out.
type size struct{ nodes, bytes, depth int }

// survey measures a document before anything of it is written out.
type survey struct {
	source, aliases int
	known           map[*yaml.Node]size
	open            map[*yaml.Node]bool
	loop            *yaml.Node
}

// ceiling for sums, so that they cannot overflow.
const ceiling = math.MaxInt32

func (s *survey) measure(n *yaml.Node) size {
	if n.Kind == yaml.AliasNode {
		s.aliases++
		if s.open[n.Alias] {
			s.loop = n
			return size{}
		}
		if known, ok := s.known[n.Alias]; ok {
			return known
		}
		return s.measure(n.Alias)
	}
	s.source++
	sum := size{nodes: 1, bytes: len(n.Value) + 4}
	if len(n.Content) > 0 {
		if n.Anchor != "" {
			s.open[n] = true
			defer delete(s.open, n)
		}
		for _, child := range n.Content {
			of := s.measure(child)
			sum.nodes = min(sum.nodes+of.nodes, ceiling)
			sum.bytes = min(sum.bytes+of.bytes, ceiling)
			sum.depth = max(sum.depth, of.depth)
		}
	}
	sum.depth++
	if n.Anchor != "" {
		s.known[n] = sum
	}
	return sum
}

// bounded says what of a document goes beyond the limits.
func bounded(c chunk, root *yaml.Node, limits Limits) *Problem {
	s := survey{known: map[*yaml.Node]size{}, open: map[*yaml.Node]bool{}}
	whole := s.measure(root)
	refuse := func(message, mend string) *Problem {
		p := c.problem(root.Line, root.Column, message, mend)
		return &p
	}
	switch {
	case s.loop != nil:
		p := c.problem(s.loop.Line, s.loop.Column, "an alias stands within its own anchor", "write the value out")
		return &p
	case whole.depth > limits.Depth:
		return refuse(fmt.Sprintf("the document is nested %d levels deep, more than %d", whole.depth, limits.Depth), "flatten it")
	case s.aliases > limits.Aliases:
		return refuse(fmt.Sprintf("the document has %d aliases, more than %d", s.aliases, limits.Aliases), "write the values out")
	case s.aliases > 0 && whole.nodes > limits.Expansion*max(s.source, 50):
		return refuse(fmt.Sprintf("the document's aliases make it more than %d times as large", limits.Expansion), "write the values out")
	case whole.bytes > limits.DocumentBytes:
		return refuse(fmt.Sprintf("the document is larger than %d bytes once its aliases are written out", limits.DocumentBytes), "write the values out, or divide it")
	}
	return nil
}

// writer makes values of nodes as sigs.k8s.io/yaml does, so that a file means here what it means to kubectl.
type writer struct {
	chunk    chunk
	problems []Problem
}

func (w *writer) refuse(n *yaml.Node, message, mend string) {
	w.problems = append(w.problems, w.chunk.problem(n.Line, n.Column, message, mend))
}

func (w *writer) value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.AliasNode:
		return w.value(n.Alias)
	case yaml.MappingNode:
		return w.mapping(n)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, child := range n.Content {
			list = append(list, w.value(child))
		}
		return list
	default:
		return w.scalar(n)
	}
}

func (w *writer) mapping(n *yaml.Node) any {
	values := make(map[string]any, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, child := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" {
			merged = append(merged, child)
			continue
		}
		name, ok := w.key(key)
		if !ok {
			continue
		}
		if line, twice := lines[name]; twice {
			w.refuse(key, fmt.Sprintf("the key stands twice in one object, first on line %d", w.chunk.before+line), "remove one of the two")
			continue
		}
		lines[name] = key.Line
		values[name] = w.value(child)
	}
	for _, from := range merged {
		w.merge(values, from)
	}
	return values
}

// merge what "<<" names under the keys that are there.
func (w *writer) merge(values map[string]any, from *yaml.Node) {
	target := from
	if target.Kind == yaml.AliasNode {
		target = target.Alias
	}
	switch target.Kind {
	case yaml.SequenceNode:
		for _, child := range target.Content {
			w.merge(values, child)
		}
	case yaml.MappingNode:
		more, _ := w.value(target).(map[string]any)
		for key, value := range more {
			if _, has := values[key]; !has {
				values[key] = value
			}
		}
	default:
		w.refuse(from, "'<<' takes an alias of an object, or a list of those", "write the keys out")
	}
}

// key of a mapping; only text is one.
func (w *writer) key(n *yaml.Node) (string, bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		w.refuse(n, "a key is a list or an object", "use text as the key")
		return "", false
	}
	if text, ok := w.scalar(n).(string); ok {
		return text, true
	}
	w.refuse(n, "a key is not text: YAML takes it for a number, a boolean or nothing", "put the key in quotes")
	return "", false
}

func (w *writer) scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!str":
		if word, is := boolean(n); is {
			return word
		}
		return n.Value
	case "!!timestamp", "!!merge":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int", "!!float":
		return w.number(n)
	}
	w.refuse(n, "the value has a tag that is not taken here", "remove the tag that begins with '!', and put text in quotes")
	return nil
}

// boolean tells whether the text is one of YAML 1.1's further words for true and false, which Kubernetes' own tools
// take as such.
func boolean(n *yaml.Node) (value, is bool) {
	if n.Style != 0 {
		return false, false
	}
	switch n.Value {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

// number as JSON has it: whole ones are int64, wherever they fit.
func (w *writer) number(n *yaml.Node) any {
	var i int64
	if n.ShortTag() == "!!int" && n.Decode(&i) == nil {
		return i
	}
	var f float64
	if n.Decode(&f) != nil {
		w.refuse(n, "the number cannot be read", "put it in quotes if it is text")
		return nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		w.refuse(n, "the value is not a number (NaN) or infinite", "write a number, or put it in quotes if it is text")
		return nil
	}
	if i, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return i
	}
	return f
}

// kindOf the value in words.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}
