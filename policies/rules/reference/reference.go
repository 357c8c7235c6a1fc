// Package reference writes the page about the language of policies from the code that makes it, so that
// the two cannot differ.
//
// In: the source of the Facts, for its comments. Out: the page, in Markdown. It reads no files.
package reference

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"stargate.io/stargate/policies/rules"
)

// Page of the language. The source is that of the Facts.
func Page(source []byte) ([]byte, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "facts.go", source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("reading the facts: %w", err)
	}
	var page bytes.Buffer
	page.WriteString(head)
	structs := structsOf(file)
	for _, field := range structs["Facts"].Fields.List {
		kind, ok := field.Type.(*ast.Ident)
		if !ok {
			continue // The time, which the head tells of.
		}
		writePart(&page, tagOf(field), structs[kind.Name])
	}
	page.WriteString(questions)
	writeFunctions(&page, rules.Questions())
	page.WriteString(clock)
	writeFunctions(&page, rules.Clock())
	page.WriteString(others)
	for _, f := range rules.Functions() {
		fmt.Fprintf(&page, "- `%s`\n", strings.Join(f.Signatures, "`, `"))
	}
	fmt.Fprintf(&page, limits, rules.MaxLength, rules.MaxNesting, rules.MaxCost, rules.MaxPolicyCost, rules.MaxText>>10, rules.MaxItems, rules.MaxQuestions)
	return page.Bytes(), nil
}

// A structure with the comment on it.
type structure struct {
	*ast.StructType
	doc string
}

func structsOf(file *ast.File) map[string]structure {
	all := map[string]structure{}
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			if named, ok := spec.(*ast.TypeSpec); ok {
				if s, ok := named.Type.(*ast.StructType); ok {
					all[named.Name.Name] = structure{s, flat(general.Doc.Text())}
				}
			}
		}
	}
	return all
}

func tagOf(field *ast.Field) string {
	return reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("cel")
}

func writePart(page *bytes.Buffer, name string, s structure) {
	fmt.Fprintf(page, "### %s\n\n%s\n\n| field | type | |\n|---|---|---|\n", name, s.doc)
	types := rules.Fields(name)
	for _, field := range s.Fields.List {
		if tag := tagOf(field); tag != "-" {
			fmt.Fprintf(page, "| `%s.%s` | %s | %s |\n", name, tag, types[tag], flat(field.Doc.Text()))
		}
	}
	page.WriteByte('\n')
}

func writeFunctions(page *bytes.Buffer, functions []rules.Function) {
	for _, f := range functions {
		fmt.Fprintf(page, "`%s`\n: %s. Example: `%s`\n\n", strings.Join(f.Signatures, "`, `"), f.About, f.Example)
	}
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }
