package hooks_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/policies/hooks"
)

func TestCompileTellsTheLineAndTheMend(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		message    string
	}{
		{"not equal", body("if ctx.key != 1 then return ctx.done() end"), 2, "~="},
		{"else if", body("if a then return 1 else if b then return 2 end"), 0, "missing"},
		{"increment", body("local x = 1\nx += 1"), 3, "x = x + 1"},
		{"equal", body("if a = 1 then return 1 end"), 2, "=="},
		{"braces", body("if a { return 1 }"), 2, "then or do"},
		{"quote", body(`return ctx.fail("no`), 2, "quote"},
		{"end", "function run(ctx)\n  return ctx.done()\n", 0, "missing"},
		{"label", body("while true do goto continue end"), 2, "::name::"},
		{"no run", "local function run(ctx) return ctx.done() end", 0, "run(ctx)"},
		{"another name", "function main(ctx) return ctx.done() end", 0, "run(ctx)"},
		{"method", "function x:run(ctx) return ctx.done() end", 0, "run(ctx)"},
		{"empty", "", 0, "run(ctx)"},
		{"byte code", "\x1bLua", 1, ""},
		{"zero", "function run(ctx) return '\x00' end", 0, "zero byte"},
	} {
		t.Run(c.name, func(t *testing.T) {
			script, problems := hooks.Compile("test.lua", c.text)
			if script != nil || len(problems) != 1 || problems[0].Line != c.line || !strings.Contains(problems[0].Message, c.message) {
				t.Errorf("got %v, %+v; expected line %d, %q", script, problems, c.line, c.message)
			}
		})
	}
	for _, text := range []string{body("return ctx.done()"), "run = function(ctx) return ctx.done() end", "local x\nx, run = 1, function() end"} {
		if script, problems := hooks.Compile("test.lua", text); script == nil || len(script.Hash) != 64 {
			t.Errorf("%q: %v", text, problems)
		}
	}
}

// hostileTexts would, without bounds, end this process by its stack, or hold it up.
func hostileTexts() map[string]string {
	const many = 120_000
	deep := map[string]string{"too long": strings.Repeat(" ", 256<<10+1) + body("")}
	for name, pair := range map[string][2]string{
		"brackets": {"(", ")"}, "tables": {"{", "}"}, "indexes": {"t[", "]"}, "calls": {"f(", ")"},
	} {
		deep[name] = body("return " + strings.Repeat(pair[0], many/len(pair[0])) + "1" + strings.Repeat(pair[1], many/len(pair[0])))
	}
	for name, one := range map[string]string{"not": "not ", "minus": "- ", "length": "#"} {
		deep[name] = body("return " + strings.Repeat(one, many/len(one)) + "1")
		deep[name+", a few thousand"] = body("return " + strings.Repeat(one, 20_000) + "1")
	}
	for name, one := range map[string]string{"concat": "a..", "power": "a^", "sum": "a+", "and": "a and ", "index chain": "a.", "comparison": "a<"} {
		deep[name] = body("return " + strings.Repeat(one, 20_000) + "a")
	}
	deep["call chain"] = body("return f" + strings.Repeat("()", 15_000))
	deep["blocks"] = body(strings.Repeat("do ", 50_000) + strings.Repeat("end ", 10_000))
	deep["functions"] = body("return " + strings.Repeat("function() return ", 10_000) + "1" + strings.Repeat(" end", 10_000))
	deep["elseif"] = body("if a then " + strings.Repeat("elseif b then ", 15_000) + "end")
	var constants strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&constants, "x=%d ", i)
	}
	deep["constants"] = body(constants.String())
	deep["statements"] = body(strings.Repeat("a=b ", 30_000))
	return deep
}

// TestCompileIsBounded: what is hostile is refused, quickly: a Go stack that overflows could not be caught.
func TestCompileIsBounded(t *testing.T) {
	for name, text := range hostileTexts() {
		began := time.Now()
		script, problems := hooks.Compile("test.lua", text)
		if script != nil || len(problems) == 0 || len(problems[0].Message) > 400 {
			t.Errorf("%s: got through, or says too much: %.500v", name, problems)
		}
		t.Logf("%-26s %8s  %s", name, time.Since(began).Round(time.Microsecond), problems[0].Message)
	}
	// What is large and not hostile passes.
	if _, problems := hooks.Compile("test.lua", body(strings.Repeat("log.info('x' .. 1 .. 2)\n", 4000))); len(problems) > 0 {
		t.Errorf("a long script: %v", problems)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(body("return ctx.done()"))
	f.Add(body("for i = 1, 2 do local t = {[1] = -i, x = not i; #t} end goto a ::a::"))
	f.Add(`function run(...) return select("#", ...), [==[ long ]==], 0x1p4, "\065\n" end`)
	f.Fuzz(func(t *testing.T, text string) {
		script, problems := hooks.Compile("fuzz.lua", text)
		if (script == nil) == (len(problems) == 0) {
			t.Errorf("%q: %v, %v", text, script, problems)
		}
		if script != nil {
			script.Lines()
		}
	})
}
