package api_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/test/cluster"
)

const samples = "../../config/samples"

// kubectl runs the real one, with nothing of the caller's configuration.
func kubectl(t *testing.T, c *cluster.Cluster, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("kubectl is not installed")
	}
	cmd := exec.Command(path, append([]string{"--kubeconfig", c.Kubeconfig}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "KUBECONFIG=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustKubectl(t *testing.T, c *cluster.Cluster, args ...string) string {
	t.Helper()
	out, err := kubectl(t, c, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// TestSamples apply as they stand to a cluster that has nothing but the kinds, a second time too, and
// show what the quick start shows.
func TestSamples(t *testing.T) {
	c := cluster.Start(t)
	mustKubectl(t, c, "apply", "--validate=strict", "-f", samples)
	again := mustKubectl(t, c, "apply", "--validate=strict", "-f", samples)
	for line := range strings.Lines(again) {
		if !strings.HasSuffix(line, " unchanged\n") {
			t.Errorf("applied again: %s", line)
		}
	}
	west := kindNamed(t, "Server")
	to := resource(t, c.Config, west, "dc-west")
	one, err := to.Get(t.Context(), "server-001", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	one.Object["status"] = map[string]any{"state": "ready", "currentOS": "2.0.0"}
	if _, err := to.UpdateStatus(t.Context(), one, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	rows := table(mustKubectl(t, c, "get", "servers", "-n", "dc-west"))
	want := []string{"NAME STATE OS IPV4", "server-001 ready 2.0.0 10.0.1.5", "server-002 10.0.1.6"}
	if !slices.Equal(rows, want) {
		t.Errorf("servers:\n%s", strings.Join(rows, "\n"))
	}
	rows = table(mustKubectl(t, c, "get", "operations.stargate.io", "-n", "dc-west"))
	if len(rows) != 2 || rows[0] != "NAME SERVER OPERATION PHASE AGE" || !regexp.MustCompile(`^repave-server-001 server-001 repave Pending \d+s$`).MatchString(rows[1]) {
		t.Errorf("operations:\n%s", strings.Join(rows, "\n"))
	}
	if rows = table(mustKubectl(t, c, "get", "servers,pp,dc", "-A", "--no-headers")); len(rows) != 4+4+2 {
		t.Errorf("of the samples there are:\n%s", strings.Join(rows, "\n"))
	}
}

// table gives the lines of kubectl's output with one blank between columns.
func table(out string) []string {
	var rows []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 0 {
			rows = append(rows, strings.Join(fields, " "))
		}
	}
	return rows
}

// TestEachSampleAppliesAlone, but for those of which the namespace comes from another file.
func TestEachSampleAppliesAlone(t *testing.T) {
	c := cluster.Start(t)
	for _, file := range []string{"server-dc-west.yaml", "server-dc-east.yaml", "provisioningprofiles.yaml", "operation-repave.yaml", "datacenters.yaml", "servergroup.yaml", "fleet.yaml"} {
		mustKubectl(t, c, "apply", "--validate=strict", "-f", filepath.Join(samples, file))
	}
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil || len(files) != 7 {
		t.Errorf("samples are %v, %v", files, err)
	}
}

// TestColumns: what `kubectl get` prints is what people's scripts and eyes are used to.
func TestColumns(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	columns := map[string][2]string{
		"Server":              {"NAME STATE OS IPV4", "MAC LOCATION PROFILE OPERATION READY MESSAGE AGE"},
		"Operation":           {"NAME SERVER OPERATION PHASE AGE", "DATACENTER PROGRESS HELD-BY UNTIL COMMIT JOB MESSAGE"},
		"ProvisioningProfile": {"NAME OS AGE", "IMAGE HASH"},
		"Datacenter":          {"NAME DRIVER REACHABLE API ACTIVE AGE", "ENDPOINT PAUSED MESSAGE"},
		"ServerGroup":         {"NAME PROFILE SERVERS UPDATED READY WAVE AGE", "UNAVAILABLE FAILED DRIFTED HELD-BY UNTIL COMMIT MESSAGE"},
		"Policy":              {"NAME ENFORCEMENT READY AGE", "RULES MESSAGE"},
		"Hook":                {"NAME WHEN ORDER READY AGE", "ON-ERROR TIMEOUT MESSAGE"},
		"Fleet":               {"NAME READY REVISION SUSPENDED AGE", "URL PATH ATTEMPTED MESSAGE"},
	}
	for _, k := range allKinds(t) {
		object := smallest(t, k, "columns")
		made, err := create(t, resource(t, c.Config, k, ns), object)
		if err != nil {
			t.Fatal(err)
		}
		want := columns[k.Spec.Names.Kind]
		for _, name := range []string{k.Spec.Names.Plural, k.Spec.Names.Singular, k.Spec.Names.ShortNames[0]} {
			if got := header(t, c, k, ns, name); got != want[0] {
				t.Errorf("kubectl get %s: %s", name, got)
			}
		}
		if got := header(t, c, k, ns, k.Spec.Names.Plural, "-o", "wide"); got != want[0]+" "+want[1] {
			t.Errorf("kubectl get -o wide %s: %s", k.Spec.Names.Plural, got)
		}
		printsEveryColumn(t, c, k, made)
	}
	if rows := table(mustKubectl(t, c, "get", "stargate", "-n", ns, "-o", "name")); len(rows) < len(columns) {
		t.Errorf("the category stargate holds %v", rows)
	}
}

// header that kubectl prints, of the one object called columns.
func header(t *testing.T, c *cluster.Cluster, k *kind, ns, name string, args ...string) string {
	t.Helper()
	if k.namespaced() {
		args = append(args, "-n", ns)
	}
	return table(mustKubectl(t, c, append([]string{"get", name, "columns"}, args...)...))[0]
}

// printsEveryColumn: each path of a column leads to something where everything is filled in.
func printsEveryColumn(t *testing.T, c *cluster.Cluster, k *kind, made *unstructured.Unstructured) {
	t.Helper()
	status, _ := example(k.node(path{"status"})).(map[string]any)
	status["conditions"] = []any{}
	for _, name := range []string{"Ready", "Reachable"} {
		status["conditions"] = append(status["conditions"].([]any), map[string]any{
			"type": name, "status": "True", "reason": "Fine", "message": "fine", "lastTransitionTime": "2026-01-02T03:04:05Z"})
	}
	made.Object["status"] = status
	if _, err := resource(t, c.Config, k, made.GetNamespace()).UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, column := range k.Spec.Versions[0].AdditionalPrinterColumns {
		if strings.HasPrefix(column.JSONPath, ".spec.") { // the smallest object has not every field
			walkTo(t, k, column.JSONPath)
			continue
		}
		args := []string{"get", k.Spec.Names.Plural, "columns", "-o", "jsonpath={" + column.JSONPath + "}"}
		if k.namespaced() {
			args = append(args, "-n", made.GetNamespace())
		}
		if out := mustKubectl(t, c, args...); out == "" {
			t.Errorf("%s: column %s (%s) prints nothing", k.Spec.Names.Kind, column.Name, column.JSONPath)
		}
	}
}

// walkTo fails t where a column's path is not one of the schema.
func walkTo(t *testing.T, k *kind, jsonPath string) {
	t.Helper()
	want := strings.ReplaceAll(strings.TrimPrefix(jsonPath, "."), "[*]", ".[]")
	found := false
	walk(&k.root, nil, func(at path, _ *schema) { found = found || at.String() == want })
	if !found {
		t.Errorf("%s has no field %s, which a column prints", k.Spec.Names.Kind, jsonPath)
	}
}

// TestExplain: kubectl explain knows every kind and tells of each field what it is.
func TestExplain(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		out := mustKubectl(t, c, "explain", k.Spec.Names.Plural+".spec", "--api-version=stargate.io/v1alpha1")
		spec := k.node(path{"spec"})
		for name, field := range spec.Properties {
			start, _, _ := strings.Cut(field.Description, "\n")
			if !strings.Contains(out, name+"\t<") || !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(start), " ")) {
				t.Errorf("kubectl explain %s.spec tells nothing of %s:\n%s", k.Spec.Names.Plural, name, out)
			}
		}
	}
	for field, says := range map[string]string{
		"server.spec.mac":                       "for example",
		"op.spec.timeout":                       "Default: 2h for a repave",
		"sg.spec.rollout.maxUnavailable":        "rounds down",
		"fl.spec.guard.maxRepaves":              "approval",
		"sgpol.spec.rules.effect":               "Deny, Hold, Warn or Audit",
		"sghook.spec.allow.hosts":               "http",
		"dc.spec.tls.caRef.key":                 "Key within the Secret",
		"pp.spec.userData.inline":               "Inline document",
		"operations.status.holds.clearsWhen":    "ends it",
		"servers.status.activeOperation.since":  "claim",
		"servergroups.status.waves.soakedUntil": "soak",
	} {
		if out := mustKubectl(t, c, "explain", field); !strings.Contains(out, says) {
			t.Errorf("kubectl explain %s:\n%s", field, out)
		}
	}
}

// TestErrorsReachPeople: what kubectl prints of a mistake names field and mend.
func TestErrorsReachPeople(t *testing.T) {
	c := cluster.Shared(t)
	file := filepath.Join(t.TempDir(), "server.yaml")
	text := "apiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata: {name: x, namespace: default}\nspec: {mac: aa-bb, ipv6: '::1'}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := kubectl(t, c, "apply", "-f", file); err == nil || !strings.Contains(out, `unknown field "spec.ipv6"`) {
		t.Errorf("an unknown field: %v\n%s", err, out)
	}
	if out, err := kubectl(t, c, "apply", "--validate=false", "-f", file); err == nil || !strings.Contains(out, `spec.mac: Invalid value: "aa-bb": must be a MAC address such as "aa:bb:cc:dd:ee:01"`) {
		t.Errorf("a broken MAC: %v\n%s", err, out)
	}
}
