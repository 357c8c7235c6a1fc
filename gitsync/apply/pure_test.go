package apply

import (
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestTheComparisonIsPure: of the two halves of the package one takes values and gives values.
func TestTheComparisonIsPure(t *testing.T) {
	out := []string{"context", "time", "os", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand"}
	for _, name := range []string{"changes.go", "differ.go", "digest.go", "inventory.go", "live.go", "memo.go", "prunes.go", "show.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			reaches := strings.HasPrefix(path, "k8s.io/client-go") || strings.HasPrefix(path, "sigs.k8s.io/controller-runtime")
			for _, no := range out {
				reaches = reaches || path == no
			}
			if reaches {
				t.Errorf("%s imports %s: a decision takes values and gives values", name, path)
			}
		}
	}
}
