package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	lua "github.com/yuin/gopher-lua"

	"stargate.io/stargate/policies/hooks/wire"
)

var (
	errTooLarge = errors.New("it is too large")
	errTooDeep  = fmt.Errorf("it is nested deeper than %d levels, or has itself in it", wire.MaxDepth)
)

// listName marks what is a list even while it is empty.
const listName = lua.LString("json.array")

func isTooLarge(err error) bool { return errors.Is(err, errTooLarge) }

// arrays is the metatable of lists, so that an empty one is not taken for an object.
func arrays(L *lua.LState) *lua.LTable {
	if known, ok := L.GetTypeMetatable(string(listName)).(*lua.LTable); ok {
		return known
	}
	made := L.NewTypeMetatable(string(listName))
	made.RawSetString("__metatable", lua.LFalse)
	made.RawSetString("__name", listName)
	return made
}

// toLua makes of what encoding/json decodes what scripts see: null is nil, and in a list false, which leaves no hole.
func toLua(L *lua.LState, value any, depth int) (lua.LValue, error) {
	if depth > wire.MaxDepth {
		return nil, errTooDeep
	}
	switch v := value.(type) {
	case nil:
		return lua.LNil, nil
	case bool:
		return lua.LBool(v), nil
	case float64:
		return lua.LNumber(v), nil
	case string:
		return lua.LString(v), nil
	case []any:
		return list(L, v, depth)
	case map[string]any:
		table := L.CreateTable(0, len(v))
		for key, of := range v {
			member, err := toLua(L, of, depth+1)
			if err != nil {
				return nil, err
			}
			table.RawSetString(key, member)
		}
		return table, nil
	}
	return nil, fmt.Errorf("a %T is no JSON", value)
}

func list(L *lua.LState, values []any, depth int) (lua.LValue, error) {
	table := L.CreateTable(len(values), 0)
	table.Metatable = arrays(L)
	for i, of := range values {
		if of == nil {
			of = false
		}
		member, err := toLua(L, of, depth+1)
		if err != nil {
			return nil, err
		}
		table.RawSetInt(i+1, member)
	}
	return table, nil
}

// decoded JSON.
func decoded(L *lua.LState, text []byte) (lua.LValue, error) {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	return toLua(L, value, 0)
}

// encoded value of at most so many bytes; members sorted, so that the same value is the same text.
func encoded(value lua.LValue, most int) ([]byte, error) {
	e := encoder{most: most}
	if err := e.value(value, 0); err != nil {
		return nil, err
	}
	return e.text, nil
}

type encoder struct {
	text []byte
	most int
}

func (e *encoder) add(text string) error {
	if len(e.text)+len(text) > e.most {
		return errTooLarge
	}
	e.text = append(e.text, text...)
	return nil
}

func (e *encoder) value(value lua.LValue, depth int) error {
	switch v := value.(type) {
	case *lua.LNilType:
		return e.add("null")
	case lua.LBool:
		return e.add(strconv.FormatBool(bool(v)))
	case lua.LNumber:
		return e.number(float64(v))
	case lua.LString:
		return e.string(string(v))
	case *lua.LTable:
		if depth >= wire.MaxDepth {
			return errTooDeep
		}
		return e.table(v, depth)
	}
	return fmt.Errorf("a %s is no JSON", value.Type())
}

func (e *encoder) number(n float64) error {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return fmt.Errorf("%v is no JSON", n)
	case n == math.Trunc(n) && math.Abs(n) < 1<<53:
		return e.add(strconv.FormatInt(int64(n), 10))
	}
	return e.add(strconv.FormatFloat(n, 'g', -1, 64))
}

func (e *encoder) string(text string) error {
	if len(e.text)+len(text) > e.most {
		return errTooLarge
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return err
	}
	return e.add(string(quoted))
}

func (e *encoder) table(table *lua.LTable, depth int) error {
	if meta, ok := table.Metatable.(*lua.LTable); (ok && meta.RawGetString("__name") == listName) || table.Len() > 0 {
		return e.list(table, depth)
	}
	var names []string
	var wrong error
	table.ForEach(func(key, _ lua.LValue) {
		if name, ok := key.(lua.LString); ok {
			names = append(names, string(name))
		} else {
			wrong = fmt.Errorf("a table with a %s among its keys is neither a list nor an object", key.Type())
		}
	})
	if wrong != nil {
		return wrong
	}
	slices.Sort(names)
	if err := e.add("{"); err != nil {
		return err
	}
	for i, name := range names {
		if i > 0 {
			if err := e.add(","); err != nil {
				return err
			}
		}
		if err := e.member(name, table.RawGetString(name), depth); err != nil {
			return err
		}
	}
	return e.add("}")
}

func (e *encoder) member(name string, value lua.LValue, depth int) error {
	if err := e.string(name); err != nil {
		return err
	}
	if err := e.add(":"); err != nil {
		return err
	}
	return e.value(value, depth+1)
}

func (e *encoder) list(table *lua.LTable, depth int) error {
	length, members := table.Len(), 0
	table.ForEach(func(lua.LValue, lua.LValue) { members++ })
	if members != length {
		return fmt.Errorf("a table with both a list and other members is neither a list nor an object")
	}
	if err := e.add("["); err != nil {
		return err
	}
	for i := 1; i <= length; i++ {
		if i > 1 {
			if err := e.add(","); err != nil {
				return err
			}
		}
		if err := e.value(table.RawGetInt(i), depth+1); err != nil {
			return err
		}
	}
	return e.add("]")
}
