package worker

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"stargate.io/stargate/policies/hooks/wire"
)

func stringRep(r *run, L *lua.LState) int {
	text, times := L.CheckString(1), L.CheckInt(2)
	switch {
	case times <= 0 || text == "":
		L.Push(lua.LString(""))
		return 1
	case times > wire.MaxString/len(text):
		r.refuse(L, wire.ReasonMemory, "string.rep of %d bytes %d times; a string may have %d bytes", len(text), times, wire.MaxString)
	}
	L.Push(lua.LString(strings.Repeat(text, times)))
	return 1
}

// directive of string.format, as Lua 5.1 has it: flags, a width and a precision of two digits at most.
var directive = regexp.MustCompile(`^%([-+ #0]{0,5})([0-9]{0,2})(\.[0-9]{0,2})?([a-zA-Z%])`)

func stringFormat(r *run, L *lua.LState) int {
	format := L.CheckString(1)
	var out strings.Builder
	argument := 1
	for format != "" {
		at := strings.IndexByte(format, '%')
		if at < 0 {
			at = len(format)
		}
		out.WriteString(format[:at])
		if format = format[at:]; format == "" {
			break
		}
		found := directive.FindStringSubmatch(format)
		if found == nil {
			L.RaiseError("string.format: invalid directive %q; widths have two digits at most", clipped(format, 16))
		}
		format = format[len(found[0]):]
		if found[0] == "%%" {
			out.WriteByte('%')
			continue
		}
		argument++
		out.WriteString(formatted(L, found, argument))
		r.made(L, "string.format", out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

// formatted argument by one directive.
func formatted(L *lua.LState, found []string, argument int) string {
	flags, verb := "%"+found[1]+found[2]+found[3], found[4]
	switch verb {
	case "d", "i":
		return fmt.Sprintf(flags+"d", L.CheckInt64(argument))
	case "u":
		return fmt.Sprintf(flags+"d", uint64(L.CheckInt64(argument))) //nolint:gosec // as C does
	case "x", "X", "o":
		return fmt.Sprintf(flags+verb, L.CheckInt64(argument))
	case "c":
		return string([]byte{byte(L.CheckInt(argument))}) //nolint:gosec // as C does
	case "e", "E", "f", "g", "G":
		return fmt.Sprintf(flags+verb, float64(L.CheckNumber(argument)))
	case "s":
		return fmt.Sprintf(flags+"s", L.ToStringMeta(L.CheckAny(argument)).String())
	case "q":
		return fmt.Sprintf("%q", L.CheckString(argument))
	}
	L.RaiseError("string.format: no directive %%%s", verb)
	return ""
}

func base64Encode(r *run, L *lua.LState) int {
	text := L.CheckString(1)
	r.made(L, "base64.encode", base64.StdEncoding.EncodedLen(len(text)))
	L.Push(lua.LString(base64.StdEncoding.EncodeToString([]byte(text))))
	return 1
}

func base64Decode(_ *run, L *lua.LState) int {
	text := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(L.CheckString(1)), "=")
	plain, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		L.RaiseError("base64.decode: %s", err)
	}
	L.Push(lua.LString(plain))
	return 1
}

func jsonEncode(r *run, L *lua.LState) int {
	text, err := encoded(L.CheckAny(1), wire.MaxBody)
	switch {
	case isTooLarge(err):
		r.refuse(L, wire.ReasonOutput, "json.encode: more than %d bytes", wire.MaxBody)
	case err != nil:
		L.RaiseError("json.encode: %s", err)
	}
	L.Push(lua.LString(text))
	return 1
}

func jsonDecode(_ *run, L *lua.LState) int {
	value, err := decoded(L, []byte(L.CheckString(1)))
	if err != nil {
		L.RaiseError("json.decode: %s", err)
	}
	L.Push(value)
	return 1
}

func jsonList(_ *run, L *lua.LState) int {
	table := L.NewTable()
	if L.GetTop() > 0 {
		table = L.CheckTable(1)
	}
	table.Metatable = arrays(L)
	L.Push(table)
	return 1
}
