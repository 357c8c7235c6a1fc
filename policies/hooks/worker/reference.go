package worker

import (
	"fmt"
	"slices"
	"strings"

	"stargate.io/stargate/policies/hooks/wire"
)

// Reference is docs/reference/hooks.md: what scripts may call and how much, as this package has it.
func Reference() string {
	var out strings.Builder
	out.WriteString("<!-- Made by hack/generate.sh from policies/hooks/worker. Do not edit. -->\n# What hooks may call\n\n" +
		"[Hooks](../hooks.md) says what they are for. A function that is given what it does not take raises an error; `pcall` catches it.\n")
	functions := slices.Concat(contextFunctions, library)
	for _, module := range []string{"ctx", "http", "kube", "json", "base64", "time", "log", "event"} {
		fmt.Fprintf(&out, "\n## %s\n\n| | |\n|---|---|\n", module)
		for _, f := range functions {
			if f.Module == module {
				fmt.Fprintf(&out, "| `%s` | %s |\n", f.Signature, f.Text)
			}
		}
	}
	out.WriteString("\n## Of Lua 5.1\n\nBase: " + quoted(base) + ".\n")
	for _, module := range []string{"string", "table", "math", "coroutine"} {
		fmt.Fprintf(&out, "\n%s: %s.\n", module, quoted(from[module]))
	}
	out.WriteString("\nWith what is of their own:\n\n| | |\n|---|---|\n")
	for _, f := range library {
		if f.Module == "" || from[f.Module] != nil {
			fmt.Fprintf(&out, "| `%s` | %s |\n", f.Signature, f.Text)
		}
	}
	out.WriteString("\n## Limits\n\n| | |\n|---|---|\n")
	for _, l := range limits {
		fmt.Fprintf(&out, "| %s | %s |\n", l[0], l[1])
	}
	return out.String()
}

func quoted(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// limits as people read them.
var limits = [][2]string{
	{"a script", size(wire.MaxScript)},
	{"memory of a run", "256 MiB, of which what it holds may come to about two thirds"},
	{"what a run is told", size(wire.MaxContext) + " as JSON"},
	{"`ctx.state`", size(wire.MaxState) + " as JSON"},
	{"a wait", fmt.Sprintf("%s to %s", wire.MinWait, wire.MaxWait)},
	{"the message of done, wait, fail", size(wire.MaxMessage)},
	{"the log of a run", fmt.Sprintf("%d lines, %s", wire.MaxLogLines, size(wire.MaxLogBytes))},
	{"events of a run", fmt.Sprintf("%d, each with a message of %s", wire.MaxEvents, size(wire.MaxEventMessage))},
	{"calls of http and kube in a run", fmt.Sprint(wire.MaxCalls)},
	{"the body of a request or an answer", size(wire.MaxBody)},
	{"headers of a request", fmt.Sprintf("%d, %s", wire.MaxHeaders, size(wire.MaxHeaderBytes))},
	{"time of a request", fmt.Sprintf("%s, unless the script says otherwise, and never past the run's", wire.DefaultTimeout)},
	{"redirects of a request", "3"},
	{"a text that a function makes", size(wire.MaxString)},
	{"depth of JSON", fmt.Sprint(wire.MaxDepth)},
	{"calls within calls", fmt.Sprint(callStack)},
}

func size(bytes int) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
