package planning_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine/profile"
	"stargate.io/stargate/gitsync/tree"
)

var update = flag.Bool("update", false, "write what is got as what is wanted")

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is otherwise; where that is meant, run with -update. Got:\n%s", file, got)
	}
}

func schemas(t testing.TB) *tree.Schemas {
	t.Helper()
	kinds, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, kind := range kinds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(kind.Object, crd); err != nil {
			t.Fatal(err)
		}
		crds = append(crds, crd)
	}
	compiled, err := tree.Compile(crds)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// read the files of a folder, with words in them replaced.
func read(t testing.TB, folder string, replace ...string) *planning.Read {
	t.Helper()
	files, err := planning.ReadFolder(context.Background(), folder)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i].Data = []byte(strings.NewReplacer(replace...).Replace(string(files[i].Data)))
	}
	return &planning.Read{Name: "41d0e77", Commit: "41d0e77" + strings.Repeat("0", 33), Author: "Ada <ada@example.com>", Subject: "web to 2.1.0", Files: files}
}

// before is what the folder said before the commit.
var before = []string{"2.1.0", "2.0.0", "d25e", "8c1f", "        - prometheus-node-exporter\n", ""}

// world in which the fleet is what it said before: all servers ready, one paused.
func world(t testing.TB) *planning.World {
	t.Helper()
	made, problems := tree.Read(read(t, "testdata/fleet", before...).Files, tree.Options{Fleet: "prod", Schemas: schemas(t)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	w := &planning.World{Header: render.HeaderOf("Snapshot"), TakenAt: noon, Datacenters: made.Datacenters(), Profiles: made.Profiles(), Servers: made.Servers(), Groups: made.Groups()}
	fleet := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: "prod"}, Spec: v1alpha1.FleetSpec{URL: "https://git.example.com/fleet.git", Prune: true}, Status: v1alpha1.FleetStatus{Applies: 7}}
	w.Fleets = []*v1alpha1.Fleet{fleet}
	spec := &w.Profiles[0].Spec
	hash := profile.Hash(spec, profile.Documents{UserData: spec.UserData.Inline})
	gone := w.Servers[0].DeepCopy()
	gone.Name, gone.Spec.MAC, gone.Labels["role"] = "server-099", "aa:bb:cc:dd:ee:99", "old"
	w.Servers = append(w.Servers, gone)
	for i, server := range w.Servers {
		server.UID = types.UID("uid-" + server.Name)
		server.Labels[v1alpha1.LabelFleet] = "prod"
		server.Status = v1alpha1.ServerStatus{State: v1alpha1.ServerReady, CurrentOS: "2.0.0",
			Applied: &v1alpha1.Applied{Profile: "web", Hash: hash, OSVersion: "2.0.0", At: metav1.NewTime(noon.Add(-240 * time.Hour))}}
		if server.Name == "server-011" {
			server.Spec.Paused, server.Spec.Reason = true, "RMA-77"
		}
		if i < 4 {
			w.Operations = append(w.Operations, repaved(server, time.Duration(8+i)*time.Minute))
		}
	}
	for _, group := range w.Groups {
		group.UID, group.Labels = types.UID("uid-"+group.Name), map[string]string{v1alpha1.LabelFleet: "prod"}
	}
	for _, p := range w.Profiles {
		p.Labels = map[string]string{v1alpha1.LabelFleet: "prod"}
	}
	for _, dc := range w.Datacenters {
		dc.Labels = map[string]string{v1alpha1.LabelFleet: "prod"}
	}
	return w
}

// repaved is an Operation of the past that took so long.
func repaved(server *v1alpha1.Server, took time.Duration) *v1alpha1.Operation {
	began, ended := metav1.NewMicroTime(noon.Add(-300*time.Hour)), metav1.NewMicroTime(noon.Add(-300*time.Hour+took))
	done := metav1.NewTime(ended.Time)
	return &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: server.Namespace, Name: "past-" + server.Name},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: server.Name}, Operation: v1alpha1.ActionRepave,
			ProvisioningProfileRef: &v1alpha1.LocalReference{Name: "web"}},
		Status: v1alpha1.OperationStatus{Phase: v1alpha1.OperationSucceeded, CompletionTime: &done,
			Attempts: []v1alpha1.Attempt{{Number: 1, StartedAt: began, EndedAt: &ended}}},
	}
}

// planned is the report on the folder.
func planned(t testing.TB, w *planning.World, r *planning.Read) *planning.Report {
	t.Helper()
	fleet, _, err := planning.FleetOf(w, "")
	if err != nil {
		t.Fatal(err)
	}
	report, err := planning.Plan(planning.Options{World: w, Read: r, Fleet: fleet, At: noon, Schemas: schemas(t), Forecast: true})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestReports(t *testing.T) {
	report := planned(t, world(t), read(t, "testdata/fleet"))
	var text, markdown, document, diff bytes.Buffer
	if err := report.Text(&text, render.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := report.Markdown(&markdown); err != nil {
		t.Fatal(err)
	}
	if err := render.Structured(&document, render.JSON, report); err != nil {
		t.Fatal(err)
	}
	if err := planning.DiffOf(report).Text(&diff, render.Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.txt", text.Bytes())
	golden(t, "plan.md", markdown.Bytes())
	golden(t, "plan.json", document.Bytes())
	golden(t, "diff.txt", diff.Bytes())
}

func TestNothingToDo(t *testing.T) {
	w := world(t)
	w.Servers = w.Servers[:12]
	report := planned(t, w, read(t, "testdata/fleet", before...))
	if report.Differs || report.Summary.Repaves > 0 || len(report.Groups) > 0 {
		t.Errorf("what is as it should be differs: %+v", report)
	}
	var text bytes.Buffer
	if err := report.Text(&text, render.Style{}); err != nil || !strings.Contains(text.String(), "nothing to do") {
		t.Errorf("got %q, %v", text.String(), err)
	}
}

// TestSnapshotsTellTheSame: without documents and by way of a file.
func TestSnapshotsTellTheSame(t *testing.T) {
	for _, format := range []string{render.JSON, render.YAML} {
		live, saved := world(t), world(t)
		var file bytes.Buffer
		saved.Redact(false)
		if err := saved.Save(&file, format); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(file.String(), "nginx") {
			t.Errorf("%s: a document is in the snapshot", format)
		}
		loaded, err := planning.Load(&file)
		if err != nil {
			t.Fatal(err)
		}
		want, got := planned(t, live, read(t, "testdata/fleet")), planned(t, loaded, read(t, "testdata/fleet"))
		blur := func(r *planning.Report) string {
			for i := range r.Repaves {
				for j := range r.Repaves[i].Why {
					r.Repaves[i].Why[j].Diff, r.Repaves[i].Why[j].Old, r.Repaves[i].Why[j].New = "", "", ""
				}
			}
			for i := range r.Objects.Changed {
				for j := range r.Objects.Changed[i].Fields {
					r.Objects.Changed[i].Fields[j].Old = ""
				}
			}
			text, _ := json.Marshal(r)
			return string(text)
		}
		if a, b := blur(want), blur(got); a != b {
			t.Errorf("%s: the snapshot tells otherwise:\n%s\n%s", format, a, b)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         "",
		"no snapshot":     `{"apiVersion":"v1","kind":"List","items":[]}`,
		"another version": `{"apiVersion":"cli.stargate.io/v9","kind":"Snapshot"}`,
		"a null":          `{"apiVersion":"cli.stargate.io/v1alpha1","kind":"Snapshot","servers":[null]}`,
		"no JSON":         `{"apiVersion":`,
		"another shape":   `{"apiVersion":"cli.stargate.io/v1alpha1","kind":"Snapshot","servers":{}}`,
	} {
		if _, err := planning.Load(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "reading the snapshot") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
