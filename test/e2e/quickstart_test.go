package e2e

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/cluster"
)

// kubectl runs the real one against a cluster and gives what it prints.
func kubectl(t *testing.T, c *cluster.Cluster, arguments ...string) string {
	t.Helper()
	out, err := kubectlCommand(t.Context(), c, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

func kubectlCommand(ctx context.Context, c *cluster.Cluster, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", c.Kubeconfig}, arguments...)...)
}

// fields of each line that kubectl printed.
func fields(text string) [][]string {
	var rows [][]string
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// TestQuickStart follows the quick start as it was published, with the real kubectl and the samples
// of this repository, to a first-version site and to ours.
func TestQuickStart(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("kubectl is not installed")
	}
	// The samples name their namespace, so the versions take turns on the shared cluster.
	for _, api := range []string{site.V1, site.V2} {
		t.Run(api, func(t *testing.T) { quickStart(t, api) })
	}
}

func quickStart(t *testing.T, api string) {
	w := NewWorld(t)
	url, dc := w.OpenSite(site.Config{API: api, Duration: 2 * time.Second})
	stop := w.Run(engine.Options{Namespaces: []string{"dc-west", "dc-east"}, DatacenterURL: url})
	t.Cleanup(func() { forget(w, stop) })
	for _, sample := range []string{"server-dc-west.yaml", "server-dc-east.yaml", "provisioningprofiles.yaml"} {
		applySample(t, w, sample)
	}
	rows := fields(kubectl(t, w.Cluster, "get", "servers", "-n", "dc-west"))
	want := [][]string{{"NAME", "STATE", "OS", "IPV4"}, {"server-001", "10.0.1.5"}, {"server-002", "10.0.1.6"}}
	if !slices.EqualFunc(rows, want, slices.Equal) {
		t.Errorf("before the repave kubectl get servers prints %q", rows)
	}

	watched := watchOperations(t, w.Cluster)
	applySample(t, w, "operation-repave.yaml")
	kubectl(t, w.Cluster, "wait", "--for=condition=Completed", "--timeout=60s", "-n", "dc-west", "operations.stargate.io/repave-server-001")
	phases := watched()
	if want := []string{"Pending", "Running", "Succeeded"}; !slices.Equal(phases, want) {
		t.Errorf("kubectl get -w showed %v, not %v", phases, want)
	}

	text := kubectl(t, w.Cluster, "get", "servers", "-n", "dc-west")
	rows = fields(text)
	want = [][]string{{"NAME", "STATE", "OS", "IPV4"}, {"server-001", "ready", "2.0.0", "10.0.1.5"}, {"server-002", "10.0.1.6"}}
	if !slices.EqualFunc(rows, want, slices.Equal) {
		t.Errorf("kubectl get servers prints\n%s", text)
	}
	if got := Events(dc, site.Accepted); len(got) != 1 || got[0].ServerID != "server-001" {
		t.Errorf("the site made the jobs %+v", got)
	}
}

// applySample applies one of this repository's samples.
func applySample(t *testing.T, w *World, sample string) {
	t.Helper()
	kubectl(t, w.Cluster, "apply", "-f", filepath.Join("..", "..", "config", "samples", sample))
}

// watchOperations runs kubectl get -w until the Operation has ended, and gives the phases that its
// column showed, in order.
func watchOperations(t *testing.T, c *cluster.Cluster) (phases func() []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	command := kubectlCommand(ctx, c, "get", "operations.stargate.io", "-n", "dc-west", "-w")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make(chan []string, 1)
	go func() {
		var phases []string
		lines := bufio.NewScanner(out)
		header := false
		for lines.Scan() {
			row := strings.Fields(lines.Text())
			header = header || slices.Equal(row, []string{"NAME", "SERVER", "OPERATION", "PHASE", "AGE"})
			if len(row) != 5 || row[0] != "repave-server-001" || row[1] != "server-001" || row[2] != "repave" || !header {
				continue
			}
			if len(phases) == 0 || phases[len(phases)-1] != row[3] {
				phases = append(phases, row[3])
			}
			if v1alpha1.OperationPhase(row[3]).Terminal() {
				break
			}
		}
		cancel()
		_ = command.Wait() // it is ended by force, and says so
		seen <- phases
	}()
	return func() []string { return <-seen }
}

// forget leaves nothing of the samples behind for whoever comes next.
func forget(w *World, stop func()) {
	ctx := context.Background()
	for _, kind := range []string{"operations.stargate.io", "servers.stargate.io", "provisioningprofiles.stargate.io"} {
		for _, namespace := range []string{"dc-west", "dc-east"} {
			out, err := kubectlCommand(ctx, w.Cluster, "delete", kind, "--all", "-n", namespace, "--timeout=60s").CombinedOutput()
			if err != nil {
				w.Errorf("deleting %s: %v\n%s", kind, err, out)
			}
		}
	}
	stop()
}
