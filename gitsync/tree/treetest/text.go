package treetest

import (
	"fmt"
	"strings"
)

// syntax errors, and YAML that means something else than it seems to.
func syntax() []broken {
	head := "apiVersion: stargate.io/v1alpha1\nkind: Server\n"
	return []broken{
		{name: "yaml: bracket left open", text: head + "¤metadata: {name: x\nspec: {mac: a}\n"},
		{name: "yaml: list left open", text: head + "metadata: {name: x}\nspec:\n¤  a: [1, 2\n  b: c\n"},
		{name: "yaml: quote left open", text: head + "metadata: {name: x}\nspec:\n¤  mac: \"52:54:00\n"},
		{name: "yaml: tab", text: head + "metadata:\n¤\tname: x\n"},
		{name: "yaml: tab after spaces", text: head + "metadata:\n  name: x\nspec:\n¤  \tmac: x\n"},
		{name: "yaml: colon in text", text: head + "metadata: {name: x}\nspec:\n¤  mac: a: b\n"},
		{name: "yaml: unknown anchor", text: head + "metadata: {name: x}\n¤spec: *nowhere\n"},
		{name: "yaml: unknown escape", text: head + "metadata: {name: x}\nspec:\n¤  mac: \"\\q\"\n"},
		{name: "yaml: at sign", text: head + "metadata: {name: x}\nspec:\n¤  mac: @home\n"},
		{name: "yaml: backtick", text: head + "metadata: {name: x}\nspec:\n¤  mac: `x`\n"},
		{name: "yaml: percent directive", file: "a.yaml", text: "¤%YAML 1.1\n---\n" + head + "metadata: {name: x}\n"},
		{name: "yaml: key without colon", text: head + "metadata:\n  name: x\n¤  labels\nspec:\n  mac: x\n"},
		{name: "yaml: dedented by one", text: head + "metadata:\n  name: x\n¤ labels: {}\n"},
		{name: "yaml: list entry in an object", text: head + "metadata:\n  name: x\n¤  - a\n"},
		{name: "yaml: duplicate key", text: head + "metadata:\n  name: x\n¤  name: y\n"},
		{name: "yaml: duplicate key, quoted", text: head + "metadata:\n  name: x\n¤  \"name\": y\n"},
		{name: "yaml: duplicate key in brackets", text: head + "metadata: {name: x}\n¤spec: {mac: a, mac: b}\n"},
		{name: "yaml: number as key", text: head + "metadata:\n  name: x\n  labels:\n¤    1: a\n"},
		{name: "yaml: boolean as key", text: head + "metadata:\n  name: x\n  labels:\n¤    on: a\n"},
		{name: "yaml: null as key", text: head + "metadata:\n  name: x\n  labels:\n¤    ~: a\n"},
		{name: "yaml: object as key", text: head + "metadata:\n  name: x\n  labels:\n¤    {a: b}: c\n"},
		{name: "yaml: not a number", text: server("x", 9, "¤inventory: {sku: .nan}")},
		{name: "yaml: infinite", text: server("x", 9, "¤inventory: {sku: -.inf}")},
		{name: "yaml: tag", text: server("x", 9, "¤reason: !secret x")},
		{name: "yaml: binary tag", text: server("x", 9, "¤reason: !!binary aGVsbG8=")},
		{name: "yaml: merge of text", text: head + "metadata:\n  name: x\n¤  <<: hello\nspec: {mac: x}\n"},
		{name: "yaml: a list", text: "¤- a\n- b\n"},
		{name: "yaml: bare text", text: "¤hello world\n"},
		{name: "yaml: conflict marks of a merge", text: "<<<<<<< HEAD\n¤" + head + "=======\n>>>>>>> other\n"},
		{name: "yaml: template that was not filled in", text: head + "metadata:\n  name: x\nspec:\n¤  mac: {{ .Mac }}\n"},
		{name: "yaml: not UTF-8", text: head + "metadata:\n¤  name: \"\xff\xfe\"\n"},
		{name: "yaml: UTF-16", file: "a.yaml", text: "¤\xff\xfea\x00:\x00 \x00b\x00\n"},
		{name: "yaml: zero byte", text: head + "metadata:\n¤  name: \"a\x00b\"\n"},
		{name: "yaml: json that ends early", file: "a.yaml", text: "¤{\"apiVersion\": \"stargate.io/v1alpha1\",\n \"kind\": \"Server\","},
	}
}

// bombs are small and would be large, or are large.
func bombs() []broken {
	laugh := "¤a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for n := 1; n < 12; n++ {
		laugh += fmt.Sprintf("a%d: &a%d [%s]\n", n, n, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", n-1), 10), ", "))
	}
	merges := "¤m0: &m0 {a: b}\n"
	for n := 1; n < 40; n++ {
		merges += fmt.Sprintf("m%d: &m%d {<<: [%s], k%d: v}\n", n, n, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*m%d, ", n-1), 10), ", "), n)
	}
	thousand := server("thousand", 9)
	for n := range 999 {
		mark := ""
		if n == 0 {
			mark = marker
		}
		thousand += "---\n" + strings.Replace(server("thousand", 9), "  name", mark+"  name", 1)
	}
	return []broken{
		{name: "bomb: a billion laughs", text: laugh},
		{name: "bomb: merges of merges", text: merges},
		{name: "bomb: a large text named often", text: "¤a: &a " + strings.Repeat("x", 100_000) + "\nb: [" + strings.TrimSuffix(strings.Repeat("*a, ", 400), ", ") + "]\n"},
		{name: "bomb: thousands of aliases", text: "¤a: &a x\nb: [" + strings.TrimSuffix(strings.Repeat("*a, ", 5000), ", ") + "]\n"},
		{name: "bomb: an alias of what it is in", text: "a: &a\n  b: 1\n¤  c: *a\n"},
		{name: "bomb: brackets", text: "¤a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\n"},
		{name: "bomb: thousands of brackets", text: "¤" + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "\n"},
		{name: "bomb: brackets without end", file: "a.yaml", text: "¤" + strings.Repeat("[", 500_000) + "\n"},
		{name: "bomb: braces without end", file: "a.yaml", text: "¤" + strings.Repeat("{a: ", 100_000) + "\n"},
		{name: "bomb: dashes", file: "a.yaml", text: "¤" + strings.Repeat("- ", 5_000) + "x\n"},
		{name: "bomb: question marks", file: "a.yaml", text: "¤" + strings.Repeat("? ", 5_000) + "x\n"},
		{name: "bomb: indents", text: "¤" + staircase(200)},
		{name: "bomb: oversize document", text: "¤a: " + strings.Repeat("x", 1<<20) + "\n"},
		{name: "bomb: oversize comment", file: "a.yaml", text: "¤a: b\n" + strings.Repeat("# x\n", 300_000)},
		{name: "bomb: thousands of documents", file: "a.yaml", text: strings.Repeat("---\na: b\n", 20_000) + "¤---\na: b\n"},
		{name: "bomb: a thousand times the same object", text: thousand},
	}
}

func staircase(depth int) string {
	var b strings.Builder
	for n := range depth {
		b.WriteString(strings.Repeat(" ", n) + "a:\n")
	}
	return b.String()
}
