package authoring

import (
	"bytes"
	"regexp"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/grammar"
	"stargate.io/stargate/gitsync/tree"
)

// Source is a policy or hook, with the place that it is written at.
type Source struct {
	tree.Place
	// Policy or Hook; the other is nil.
	Policy *v1alpha1.Policy
	Hook   *v1alpha1.Hook
}

// Read the policies and hooks among files. What is of another kind is passed by. With problems there is
// nothing else.
func Read(files []tree.File, schemas *tree.Schemas) ([]Source, []tree.Problem) {
	kept := make([]tree.File, 0, len(files))
	for _, file := range files {
		switch {
		case strings.HasSuffix(file.Path, ".lua"):
			kept = append(kept, file)
		case strings.HasSuffix(file.Path, ".yaml"), strings.HasSuffix(file.Path, ".yml"):
			if data := ours(file.Data); data != nil {
				kept = append(kept, tree.File{Path: file.Path, Data: data})
			}
		}
	}
	read, problems := tree.Read(kept, tree.Options{Schemas: schemas, CheckPolicy: grammar.Policy, CheckHook: grammar.Hook})
	if len(problems) > 0 {
		return nil, problems
	}
	var sources []Source
	for _, object := range read.Objects {
		source := Source{Place: object.Place}
		source.Policy, _ = object.Typed.(*v1alpha1.Policy)
		source.Hook, _ = object.Typed.(*v1alpha1.Hook)
		sources = append(sources, source)
	}
	return sources, nil
}

// kindLine says that a document is a Policy or a Hook.
var kindLine = regexp.MustCompile(`(?m)^["']?kind["']?[ \t]*:[ \t]*["']?(Policy|Hook)["']?[ \t]*(#.*)?\r?$|"kind"\s*:\s*"(Policy|Hook)"`)

// ours are the documents of a file that are policies and hooks, each on its own lines: what stands
// between them is emptied, so that places stay true. Nil where there are none.
func ours(data []byte) []byte {
	var out bytes.Buffer
	found := false
	add := func(document []byte) {
		if kindLine.Match(document) {
			found = true
			out.Write(document)
			return
		}
		out.Write(bytes.Repeat([]byte("\n"), bytes.Count(document, []byte("\n"))))
	}
	begin := 0
	for at := 0; at < len(data); {
		end := at + bytes.IndexByte(data[at:], '\n') + 1
		if end == at {
			end = len(data)
		}
		if line := data[at:end]; bytes.HasPrefix(line, []byte("---")) && at > begin {
			add(data[begin:at])
			begin = at
		}
		at = end
	}
	add(data[begin:])
	if !found {
		return nil
	}
	return out.Bytes()
}
