package tree

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spot gives the node that a field's path such as "spec.rollout.waves[1].size" names, and how much of the path it
// found: of a field that is not there, what it would be in. The node is the one to show: a key where it holds an object
// or a list, else the value.
func spot(root *yaml.Node, path string) (shown *yaml.Node, whole bool) {
	shown = root
	at := root
	rest := strings.TrimPrefix(path, ".")
	for rest != "" {
		if at.Kind == yaml.AliasNode {
			at = at.Alias
		}
		key, child, left := step(at, rest)
		if child == nil {
			return shown, false
		}
		rest = strings.TrimPrefix(left, ".")
		at, shown = child, child
		if key != nil && child.Kind != yaml.ScalarNode {
			shown = key
		}
	}
	return shown, true
}

// step into the entry of a mapping or list that the path begins with.
func step(at *yaml.Node, path string) (key, child *yaml.Node, rest string) {
	switch at.Kind {
	case yaml.SequenceNode:
		inside, after, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		index, err := strconv.Atoi(inside)
		if !ok || err != nil || index < 0 || index >= len(at.Content) {
			return nil, nil, path
		}
		return nil, at.Content[index], after
	case yaml.MappingNode:
		return entry(at, path)
	default:
		return nil, nil, path
	}
}

// entry of a mapping with the longest key that the path begins with; of what is merged in, those keys too.
func entry(at *yaml.Node, path string) (key, child *yaml.Node, rest string) {
	longest := -1
	for i := 0; i+1 < len(at.Content); i += 2 {
		name := at.Content[i].Value
		after, ok := begins(path, name)
		if ok && len(name) > longest {
			key, child, rest, longest = at.Content[i], at.Content[i+1], after, len(name)
		}
	}
	if child != nil {
		return key, child, rest
	}
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].ShortTag() != "!!merge" {
			continue
		}
		for _, from := range mergedFrom(at.Content[i+1]) {
			if from == at {
				continue
			}
			if key, child, rest = entry(from, path); child != nil {
				return key, child, rest
			}
		}
	}
	return nil, nil, path
}

// mergedFrom are the mappings that "<<" names.
func mergedFrom(n *yaml.Node) []*yaml.Node {
	candidates := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		candidates = n.Content
	}
	var all []*yaml.Node
	for _, from := range candidates {
		if from.Kind == yaml.AliasNode {
			from = from.Alias
		}
		if from.Kind == yaml.MappingNode {
			all = append(all, from)
		}
	}
	return all
}

// begins tells whether the path begins with the key, as key or [key], and what follows.
func begins(path, key string) (rest string, ok bool) {
	if after, found := strings.CutPrefix(path, "["+key+"]"); found {
		return after, true
	}
	after, found := strings.CutPrefix(path, key)
	if !found || after != "" && after[0] != '.' && after[0] != '[' {
		return path, false
	}
	return after, true
}
