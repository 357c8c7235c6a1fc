package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine"
)

// midday is when the goldens are looked at.
var midday = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// decoded reads the objects of a YAML file.
func decoded(t *testing.T, text []byte) []client.Object {
	t.Helper()
	decoder := serializer.NewCodecFactory(engine.Scheme(), serializer.EnableStrict).UniversalDeserializer()
	var objects []client.Object
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		o, ok := object.(client.Object)
		if !ok {
			t.Fatalf("%T is no object", object)
		}
		objects = append(objects, o)
	}
	return objects
}

func rollouts(f *forest) *rolloutReport {
	report := &rolloutReport{Header: render.HeaderOf("RolloutStatus"), Groups: []groupRollout{}}
	for _, group := range f.groups {
		operations := map[string]*v1alpha1.Operation{}
		for _, op := range f.operations {
			operations[op.Name] = op
		}
		report.Groups = append(report.Groups, reportOf(group, operations, midday))
	}
	return report
}

// shows are what each file of a golden is compared with.
func shows(t *testing.T, a *App, f *forest) map[string]func() string {
	joined := func(lines []string) string { return strings.Join(lines, "\n") + "\n" }
	inJSON := func(value any) string {
		var out bytes.Buffer
		if err := render.Structured(&out, render.JSON, value); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	table := func(k kind, objects ...client.Object) string {
		return joined(table(k, objects, view{now: midday, wide: true}, !k.cluster).Lines(a.style, 0))
	}
	return map[string]func() string{
		"rollout.txt":  func() string { return joined(a.rolloutLines(rollouts(f))) },
		"rollout.json": func() string { return inJSON(rollouts(f)) },
		"group.txt":    func() string { return joined(a.treeLines(f.ofGroup(f.groups[0]))) },
		"tree.txt":     func() string { return joined(a.treeLines(f.ofFleet())) },
		"server.txt":   func() string { return joined(a.treeLines(alone(f, "server-005").ofServer(midday))) },
		"fleet.txt":    func() string { return joined(a.fleetLines(fleetReportOf(f.fleet, f.groups))) },
		"fleet.json":   func() string { return inJSON(fleetReportOf(f.fleet, f.groups)) },
		"history.txt":  func() string { return joined(a.historyTable(revisionsOf(f.groups[0]), true).Lines(a.style, 0)) },
		"groups.txt":   func() string { return table(groupKind(), f.groups[0]) },
		"fleets.txt":   func() string { return table(fleetKind(), f.fleet) },
		"tree.json":    func() string { return inJSON(treeReport{render.HeaderOf("Tree"), f.ofFleet()}) },
		"code.txt":     func() string { r := rollouts(f); return codeText(r.ended(), r.code()) },
	}
}

// alone is what is asked for of one server.
func alone(f *forest, name string) *forest {
	one := *f
	one.servers = slices.DeleteFunc(slices.Clone(f.servers), func(s *v1alpha1.Server) bool { return s.Name != name })
	one.keepOf(one.servers[0])
	return &one
}

func codeText(ended bool, code int) string {
	if !ended {
		return "goes on\n"
	}
	return "ends with " + string(rune('0'+code)) + "\n"
}

// TestShows renders fixed objects as the command line shows them; UPDATE=1 writes what it is now.
func TestShows(t *testing.T) {
	paths, err := filepath.Glob("testdata/shows/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("goldens: %v, %v", paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			golden, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			a := &App{name: "stargate", now: func() time.Time { return midday }}
			f := forestOf(decoded(t, golden.Files[0].Data))
			for i, file := range golden.Files[1:] {
				show := shows(t, a, f)[file.Name]
				if show == nil {
					t.Fatalf("nothing shows %s", file.Name)
				}
				if got := show(); got != string(file.Data) {
					golden.Files[i+1].Data = []byte(got)
					if os.Getenv("UPDATE") == "" {
						t.Errorf("%s: got\n%swant\n%s", file.Name, got, file.Data)
					}
				}
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
