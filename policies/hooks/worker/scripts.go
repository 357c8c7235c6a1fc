package worker

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"stargate.io/stargate/policies/hooks/syntax"
)

// keptText bounds the text of the scripts that a worker keeps compiled.
const keptText = 1 << 20

// scripts that were compiled, by name and text. Compiled code is not changed by being run, so states share it.
type scripts struct {
	compiled map[source]*lua.FunctionProto
	text     int
}

type source struct {
	name, text string
	lines      bool
}

func (s *scripts) of(key source) (*lua.FunctionProto, error) {
	if proto := s.compiled[key]; proto != nil {
		return proto, nil
	}
	chunk, err := parse.Parse(strings.NewReader(key.text), key.name)
	if err != nil {
		return nil, err
	}
	if key.lines {
		chunk = syntax.Tracked(chunk)
	}
	proto, err := lua.Compile(chunk, key.name)
	if err != nil {
		return nil, err
	}
	if s.text += len(key.text); s.compiled == nil || s.text > keptText {
		s.compiled, s.text = map[source]*lua.FunctionProto{}, len(key.text)
	}
	s.compiled[key] = proto
	return proto, nil
}
