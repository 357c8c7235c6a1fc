package hooks_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"stargate.io/stargate/policies/hooks"
)

// benchScript is a usual hook: it looks at what it is told, keeps something, and says something.
const benchScript = `
function run(ctx)
  local parts = {}
  for name, value in pairs(ctx.server.labels) do parts[#parts + 1] = name .. "=" .. value end
  table.sort(parts)
  ctx.state.seen = (ctx.state.seen or 0) + 1
  if #parts > 100 then return ctx.fail("too many labels") end
  return ctx.wait("15s", ctx.server.name .. ": " .. table.concat(parts, ","))
end`

func benchContext() map[string]any {
	labels := map[string]any{"role": "web", "rack": "r07", "zone": "east", "pdu": "p12"}
	return map[string]any{
		"operation":  map[string]any{"name": "repave-server-001", "namespace": "dc-west", "action": "repave", "priority": 0, "labels": labels},
		"server":     map[string]any{"name": "server-001", "namespace": "dc-west", "labels": labels, "state": "ready", "nodeName": "server-001", "ipv4": "10.0.0.7"},
		"profile":    map[string]any{"name": "web", "osVersion": "2.1.0"},
		"datacenter": map[string]any{"name": "dc-west"},
	}
}

// BenchmarkWarmWorker is a whole run in a worker that is there already.
func BenchmarkWarmWorker(b *testing.B) {
	p := pool(b, hooks.Options{Workers: 1})
	call := hooks.Call{Name: "bench", Script: compile(b, benchScript), Context: benchContext(), Key: "k", Deadline: time.Minute}
	once := func() {
		if got, err := p.Run(context.Background(), call, nil); err != nil || got.Outcome != hooks.Wait {
			b.Fatal(got, err)
		}
	}
	once()
	for b.Loop() {
		once()
	}
}

// BenchmarkBareState is its peer: a fresh state of gopher-lua with all libraries in this process, the same script,
// compiled before, and the same context.
func BenchmarkBareState(b *testing.B) {
	chunk, err := parse.Parse(strings.NewReader(benchScript), "bench.lua")
	if err != nil {
		b.Fatal(err)
	}
	proto, err := lua.Compile(chunk, "bench.lua")
	if err != nil {
		b.Fatal(err)
	}
	known := benchContext()
	for b.Loop() {
		L := lua.NewState()
		ctx := bare(L, known).(*lua.LTable)
		ctx.RawSetString("state", L.NewTable())
		for _, name := range []string{"done", "wait", "fail"} {
			ctx.RawSetString(name, L.NewFunction(func(L *lua.LState) int { return L.GetTop() }))
		}
		if err := L.CallByParam(lua.P{Fn: L.NewFunctionFromProto(proto), Protect: true}); err != nil {
			b.Fatal(err)
		}
		if err := L.CallByParam(lua.P{Fn: L.GetGlobal("run"), NRet: 2, Protect: true}, ctx); err != nil {
			b.Fatal(err)
		}
		L.Close()
	}
}

func bare(L *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case string:
		return lua.LString(v)
	case int:
		return lua.LNumber(v)
	case map[string]any:
		table := L.NewTable()
		for key, member := range v {
			table.RawSetString(key, bare(L, member))
		}
		return table
	}
	return lua.LNil
}

// BenchmarkColdWorker is a pool's first run and its end: with the small program that `make build` embeds, and with this
// program started as its own worker.
func BenchmarkColdWorker(b *testing.B) {
	small := filepath.Join(b.TempDir(), "hookworker")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", small, "stargate.io/stargate/cmd/hookworker")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for name, program := range map[string]string{"small": small, "itself": ""} {
		b.Run(name, func(b *testing.B) {
			call := hooks.Call{Name: "bench", Script: compile(b, benchScript), Context: benchContext(), Deadline: time.Minute}
			for b.Loop() {
				p := hooks.NewPool(hooks.Options{Workers: 1, Executable: program})
				got, err := p.Run(context.Background(), call, nil)
				p.Close()
				if err != nil || got.Outcome != hooks.Wait {
					b.Fatal(got, err)
				}
				b.ReportMetric(float64(got.Memory)/(1<<20), "MB")
			}
		})
	}
}
