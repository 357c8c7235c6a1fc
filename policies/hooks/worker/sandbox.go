package worker

import (
	"hash/fnv"
	"math/rand/v2"

	lua "github.com/yuin/gopher-lua"

	"stargate.io/stargate/policies/hooks/wire"
)

// Sizes of a state. The stack of values grows up to its bound; what overflows is an error of the script.
const (
	callStack     = 1000
	valueStack    = 1 << 10
	maxValueStack = 128 << 10
	growValues    = 8 << 10
)

// base are the functions of Lua's base library that scripts have. There is no other way to code or files:
// dofile, load, loadfile, loadstring, module, require, getfenv, setfenv, newproxy and collectgarbage are gone.
var base = []string{
	"_G", "_VERSION", "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
	"rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
}

// from are the functions of the other libraries of Lua that scripts have as they are.
var from = map[string][]string{
	"string":    {"byte", "char", "find", "gmatch", "gsub", "len", "lower", "match", "reverse", "sub", "upper"},
	"table":     {"concat", "insert", "maxn", "remove", "sort"},
	"math":      {"abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod", "frexp", "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "sin", "sinh", "sqrt", "tan", "tanh"},
	"coroutine": {"create", "resume", "running", "status", "wrap", "yield"},
}

var openers = map[string]lua.LGFunction{
	"_G": lua.OpenBase, "string": lua.OpenString, "table": lua.OpenTable, "math": lua.OpenMath, "coroutine": lua.OpenCoroutine,
}

// newState makes a state of which every name is one that is listed here or in the library.
func (r *run) newState() *lua.LState {
	L := lua.NewState(lua.Options{
		SkipOpenLibs: true, CallStackSize: callStack, MinimizeStackMemory: true,
		RegistrySize: valueStack, RegistryMaxSize: maxValueStack, RegistryGrowStep: growValues,
	})
	for name, open := range openers {
		L.Push(L.NewFunction(open))
		L.Push(lua.LString(name))
		L.Call(1, 0)
	}
	globals := L.Get(lua.GlobalsIndex).(*lua.LTable)
	keep(globals, append([]string{"string", "table", "math", "coroutine"}, base...))
	for name, functions := range from {
		keep(globals.RawGetString(name).(*lua.LTable), functions)
	}
	// "".rep is string.rep, and nobody sees the table that says so.
	strings := L.NewTable()
	strings.RawSetString("__index", globals.RawGetString("string"))
	strings.RawSetString("__metatable", lua.LFalse)
	L.SetMetatable(lua.LString(""), strings)
	r.open(L, globals)
	return L
}

// keep of a table only some names.
func keep(table *lua.LTable, names []string) {
	keeps := make(map[string]bool, len(names))
	for _, name := range names {
		keeps[name] = true
	}
	var goes []lua.LValue
	table.ForEach(func(key, _ lua.LValue) {
		if name, ok := key.(lua.LString); !ok || !keeps[string(name)] {
			goes = append(goes, key)
		}
	})
	for _, key := range goes {
		table.RawSet(key, lua.LNil)
	}
}

// chance of a run. It follows from the key, so that a second run draws what the first drew.
type chance struct{ *rand.Rand }

func (r *run) random() *chance {
	if r.chance == nil {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(r.in.Key))
		r.chance = &chance{rand.New(rand.NewPCG(sum.Sum64(), 0))} //nolint:gosec // repeatable on purpose
	}
	return r.chance
}

func mathRandom(r *run, L *lua.LState) int {
	low, high := 1, 0
	switch L.GetTop() {
	case 0:
		L.Push(lua.LNumber(r.random().Float64()))
		return 1
	case 1:
		high = L.CheckInt(1)
	default:
		low, high = L.CheckInt(1), L.CheckInt(2)
	}
	if high < low || high-low < 0 || high-low > 1<<53 {
		L.ArgError(L.GetTop(), "the interval is empty or too large")
	}
	L.Push(lua.LNumber(low + r.random().IntN(high-low+1)))
	return 1
}

func setMetatable(_ *run, L *lua.LState) int {
	table := L.CheckTable(1)
	L.CheckTypes(2, lua.LTNil, lua.LTTable)
	if meta, ok := table.Metatable.(*lua.LTable); ok && meta.RawGetString("__metatable") != lua.LNil {
		L.RaiseError("cannot change a protected metatable")
	}
	table.Metatable = L.Get(2)
	L.SetTop(1)
	return 1
}

// made gives a string that a function made, within its bound.
func (r *run) made(L *lua.LState, what string, size int) {
	if size > wire.MaxString {
		r.refuse(L, wire.ReasonMemory, "%s would make %d bytes; a string may have %d", what, size, wire.MaxString)
	}
}
