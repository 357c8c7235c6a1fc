package simulator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine"
)

const server, address = "server-001", "192.168.100.11"

// TestPublishedPath does what the quick start of the simulator says: a cluster is prepared, the simulator started, a server
// repaved, and repaved again with another version. The machine joins as a node each time, under one name.
func TestPublishedPath(t *testing.T) {
	h := newHost(t)
	before := h.traces()
	t.Cleanup(func() { h.try("hack/controlplane.sh", "down") }) // it may not have come up
	h.run("scripts/setup-demo.sh", "--dir", h.demo(), "--versions", first+" "+second, "--image", "file://"+h.disk("node-@VERSION@"))
	sim := h.simulate()
	for _, file := range []string{"namespace", "server", "profile", "hook"} {
		h.apply(file)
	}

	phases := h.watchPhases("repave-" + server + "-" + first)
	h.apply("operation")
	h.untilSucceeded("repave-" + server + "-" + first)
	if got := phases(); !slices.Equal(got, []string{"Pending", "Running", "Succeeded"}) {
		t.Errorf("the phases were %q", got)
	}
	uid := h.runs(first)
	h.wellReported()
	disks := h.disksOf(server)

	// The simulator is killed, and started again: the machine does not notice.
	sim.end(syscall.SIGKILL)
	boot := h.inside("cat", "/proc/sys/kernel/random/boot_id")
	h.simulate()

	h.apply("operation-next")
	h.untilSucceeded("repave-" + server + "-" + second)
	if again := h.runs(second); again == uid {
		t.Error("the Node object is the one of the machine that was wiped")
	}
	if h.inside("cat", "/proc/sys/kernel/random/boot_id") == boot {
		t.Error("the machine was not started anew")
	}
	for _, disk := range disks {
		if _, err := os.Stat(disk); err == nil {
			t.Errorf("the old disk is still there: %s", disk)
		}
	}
	if left := h.disksOf(server); len(left) != 1 {
		t.Errorf("the machine has the disks %q", left)
	}
	h.down(before)
}

// simulate starts the simulator on this host, and waits until its API answers.
func (h *host) simulate(flags ...string) *program {
	h.Helper()
	sim := h.start("bin/simulator", append([]string{"--state", h.simulatorState(), "--kubeconfig", h.kubeconfig(),
		"--image-folder", h.images, "--memory", "1024", "--disk", "4"}, flags...)...)
	h.until("the simulator answers", time.Minute, func() (bool, string) {
		select {
		case <-sim.ended:
			h.Fatalf("the simulator ended:\n%s", sim.output.Tail())
		default:
		}
		out, err := h.try("kubectl", "-n", "dc-simulator", "get", "datacenter", "simulator", "-o", "name")
		return err == nil, out
	})
	return sim
}

// apply one of the files that setup-demo.sh wrote.
func (h *host) apply(file string) {
	h.Helper()
	h.run("kubectl", "apply", "-f", filepath.Join(h.demo(), file+".yaml"))
}

// watchPhases notes an Operation's phases, as kubectl sees them come; what it gives ends that.
func (h *host) watchPhases(name string) func() []string {
	watch := h.start("kubectl", "-n", "dc-simulator", "get", "operations", "-w", "-o", `jsonpath={.metadata.name} {.status.phase}{"\n"}`)
	return func() []string {
		watch.end(syscall.SIGTERM)
		var phases []string
		for line := range strings.Lines(watch.output.String()) {
			if phase, of := strings.CutPrefix(strings.TrimSpace(line), name+" "); of {
				phases = append(phases, phase)
			}
		}
		return slices.Compact(phases)
	}
}

// untilSucceeded asks the API server itself: kubectl, again and again, would take a core from the machines.
func (h *host) untilSucceeded(operation string) {
	h.Helper()
	kube := h.kube()
	h.until("Operation "+operation+" has succeeded", patience, func() (bool, string) {
		var op v1alpha1.Operation
		if err := kube.Get(h.Context(), client.ObjectKey{Namespace: "dc-simulator", Name: operation}, &op); err != nil {
			return false, err.Error()
		}
		last := fmt.Sprintf("%s %s %s", op.Status.Phase, op.Status.Stage, op.Status.Message)
		if op.Status.Phase.Terminal() && op.Status.Phase != v1alpha1.OperationSucceeded {
			console, _ := h.try("bin/simulator", "--state", h.simulatorState(), "logs", server)
			h.Fatalf("Operation %s ended: %s\n%s", operation, last, console[max(0, len(console)-4000):])
		}
		return op.Status.Phase == v1alpha1.OperationSucceeded, last
	})
}

// kube is a client of the cluster.
func (h *host) kube() client.Client {
	h.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", h.kubeconfig())
	if err != nil {
		h.Fatal(err)
	}
	kube, err := client.New(config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		h.Fatal(err)
	}
	return kube
}

// inside runs a command in the machine.
func (h *host) inside(command ...string) string {
	h.Helper()
	return h.insideOf(address, command...)
}

func (h *host) insideOf(address string, command ...string) string {
	h.Helper()
	args := append([]string{"-i", filepath.Join(h.demo(), "ssh"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", "debian@" + address}, command...)
	return strings.TrimSpace(h.run("ssh", args...))
}

// runs looks for a version inside the machine and on its Server and Node, and gives the Node's UID.
func (h *host) runs(version string) string {
	h.Helper()
	if got := h.inside("cat", "/etc/os-release"); !strings.Contains(got, `VERSION_ID="`+version+`"`) {
		h.Errorf("the machine says of itself\n%s", got)
	}
	if got := h.inside("cat", "/etc/stargate-release"); !strings.Contains(got, "OS_VERSION="+version+"\n") || !strings.Contains(got, "SERVER=dc-simulator/"+server) {
		h.Errorf("the profile's file is\n%s", got)
	}
	for path, want := range map[string]string{"{.spec.ipv4}": address, "{.status.currentOS}": version, "{.status.state}": "ready", "{.status.nodeName}": server} {
		if got := h.run("kubectl", "-n", "dc-simulator", "get", "server", server, "-o", "jsonpath="+path); got != want {
			h.Errorf("the Server's %s is %q, want %q", path, got, want)
		}
	}
	node := h.run("kubectl", "get", "node", server, "-o",
		`jsonpath={.metadata.uid} {.status.conditions[?(@.type=="Ready")].status} {.status.addresses[?(@.type=="InternalIP")].address}`)
	uid, rest, _ := strings.Cut(node, " ")
	if rest != "True "+address {
		h.Errorf("the Node's readiness and address are %q", rest)
	}
	return uid
}

// wellReported: the command line shows the machine as it is.
func (h *host) wellReported() {
	h.Helper()
	list := h.run("bin/simulator", "--state", h.simulatorState(), "list")
	if !strings.Contains(list, server) || !strings.Contains(list, address) {
		h.Errorf("the list is\n%s", list)
	}
	if console := h.run("bin/simulator", "--state", h.simulatorState(), "logs", server); !strings.Contains(console, "Linux version") && !strings.Contains(console, "login:") {
		h.Errorf("the console's log is\n%.2000s", console)
	}
}

func (h *host) disksOf(name string) []string {
	h.Helper()
	disks, err := filepath.Glob(filepath.Join(h.machine(name), "disk-*.qcow2"))
	if err != nil || len(disks) == 0 {
		h.Fatalf("machine %s has no disks: %v", name, err)
	}
	return disks
}
