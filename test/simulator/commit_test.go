package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/test/gitserver"
)

// fleetSize machines are in the group.
const fleetSize = 3

// TestCommitRepavesMachines: a commit changes the profile of three machines that are nodes, one of which may be away at a
// time. A prober on their network, which knows of nothing but addresses, hears two of them at every instant.
func TestCommitRepavesMachines(t *testing.T) {
	h := newHost(t)
	before := h.traces()
	t.Cleanup(func() { h.try("hack/controlplane.sh", "down") }) // it may not have come up
	h.run("scripts/setup-demo.sh", "--dir", h.demo(), "--versions", first+" "+second, "--image", "file://"+h.disk("node-@VERSION@"))
	h.simulate("--operate=false", "--memory", "768", "--cpus", "1")
	h.start("bin/stargate", "run", "--metrics-address=0", "--health-address=0")
	for _, file := range []string{"namespace", "profile", "hook"} {
		h.apply(file)
	}

	repo, err := gitserver.NewRepo(filepath.Join(h.dir, "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	h.commit(repo, first)
	h.write("fleet.yaml", "apiVersion: stargate.io/v1alpha1\nkind: Fleet\nmetadata: {name: prod}\n"+
		"spec: {url: \"file://"+repo.Dir+"\", ref: {branch: main}, interval: 10s, guard: {maxRepaves: 100%}}\n")
	h.run("kubectl", "apply", "-f", filepath.Join(h.dir, "fleet.yaml"))
	h.untilAllRun(first)

	prober := h.probe()
	h.commit(repo, second)
	h.run("bin/stargate", "fleet", "reconcile", "prod")
	h.untilAllRun(second)
	prober.judge()
	for n := 1; n <= fleetSize; n++ {
		if got := h.insideOf(addressOf(n), "cat", "/etc/os-release"); !strings.Contains(got, `VERSION_ID="`+second+`"`) {
			t.Errorf("machine %d says of itself\n%s", n, got)
		}
	}
	h.down(before)
}

func nameOf(n int) string    { return fmt.Sprintf("server-%03d", n) }
func addressOf(n int) string { return fmt.Sprintf("192.168.100.%d", 10+n) }

// commit the fleet with an OS version.
func (h *host) commit(repo *gitserver.Repo, version string) {
	h.Helper()
	var servers strings.Builder
	for n := 1; n <= fleetSize; n++ {
		fmt.Fprintf(&servers, "---\napiVersion: stargate.io/v1alpha1\nkind: Server\nmetadata:\n  name: %s\n  labels: {role: node}\nspec:\n  mac: \"52:54:00:00:00:%02x\"\n  ipv4: %s\n",
			nameOf(n), n, addressOf(n))
	}
	err := repo.Write(map[string]string{
		"datacenters/dc-simulator/servers.yaml": servers.String(),
		"datacenters/dc-simulator/group.yaml": "apiVersion: stargate.io/v1alpha1\nkind: ServerGroup\nmetadata: {name: nodes}\nspec:\n" +
			"  selector: {matchLabels: {role: node}}\n  provisioningProfileRef: {name: os}\n  rollout: {maxUnavailable: 1, maxFailures: 0}\n",
		"datacenters/dc-simulator/profile.yaml": "apiVersion: stargate.io/v1alpha1\nkind: ProvisioningProfile\nmetadata: {name: os}\nspec:\n" +
			"  osVersion: \"" + version + "\"\n  osImage: " + h.imageURL(version) + "\n  userData: {secretRef: {name: node-" + version + ", key: userData}}\n",
	})
	if err == nil {
		_, err = repo.Commit("OS version " + version)
	}
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) write(name, text string) {
	h.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

// untilAllRun waits until every Server has a version, and its node is ready.
func (h *host) untilAllRun(version string) {
	h.Helper()
	kube := h.kube()
	h.until("all run "+version, 2*patience, func() (bool, string) {
		var servers v1alpha1.ServerList
		var operations v1alpha1.OperationList
		if err := errors.Join(kube.List(h.Context(), &servers, client.InNamespace("dc-simulator")), kube.List(h.Context(), &operations, client.InNamespace("dc-simulator"))); err != nil {
			return false, err.Error()
		}
		for i := range operations.Items {
			if op := &operations.Items[i]; op.Status.Phase == v1alpha1.OperationFailed {
				h.Fatalf("Operation %s failed: %s", op.Name, op.Status.Message)
			}
		}
		ready, last := 0, ""
		for i := range servers.Items {
			status := &servers.Items[i].Status
			if status.CurrentOS == version && status.State == v1alpha1.ServerReady && status.ActiveOperation == nil {
				ready++
			}
			last += fmt.Sprintf("%s is %s with %q\n", servers.Items[i].Name, status.State, status.CurrentOS)
		}
		return ready == fleetSize, last
	})
}

// prober asks every machine's kubelet for a connection, again and again.
type prober struct {
	*host
	stop context.CancelFunc
	done sync.WaitGroup

	mu sync.Mutex
	// away machines, and how many looks there were, and how many of them found one away.
	away       map[int]bool
	looks, one int
	broken     []string
}

// probePatience is how long a machine that is up may take to answer, emulated and beside others.
const probePatience = 5 * time.Second

// probe begins once all machines answer.
func (h *host) probe() *prober {
	h.Helper()
	for n := 1; n <= fleetSize; n++ {
		h.until(nameOf(n)+" answers", time.Minute, func() (bool, string) { err := knock(n); return err == nil, fmt.Sprint(err) })
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &prober{host: h, stop: stop, away: map[int]bool{}}
	h.Cleanup(func() { stop(); p.done.Wait() })
	for n := 1; n <= fleetSize; n++ {
		p.done.Go(func() {
			for tick := time.NewTicker(200 * time.Millisecond); ; {
				p.note(n, knock(n))
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	return p
}

// knock at the kubelet's port. No answer in time is one that is away, and so is a refusal.
func knock(n int) error {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort(addressOf(n), "10250"), probePatience)
	if err != nil {
		return err
	}
	return connection.Close()
}

func (p *prober) note(n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away[n] = err != nil
	p.looks++
	var away []string
	for n, is := range p.away {
		if is {
			away = append(away, nameOf(n))
		}
	}
	if len(away) > 0 {
		p.one++
	}
	if len(away) > 1 {
		p.broken = append(p.broken, fmt.Sprintf("%s: %s are away (%v)", time.Now().Format(time.TimeOnly), strings.Join(away, " and "), err))
	}
}

// judge what was seen: never two at once, and not nothing.
func (p *prober) judge() {
	p.Helper()
	p.stop()
	p.done.Wait()
	if len(p.broken) > 0 {
		p.Errorf("more than one machine was away %d times, first:\n%s", len(p.broken), p.broken[0])
	}
	if p.one == 0 {
		p.Error("no machine was ever seen to be away")
	}
	p.Logf("%d looks, %d while one machine was away", p.looks, p.one)
}
