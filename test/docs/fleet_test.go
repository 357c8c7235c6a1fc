package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFleetPages types what the pages on fleet repositories, rollouts and policies say, in one go: the example becomes a repository,
// its first commit passes the guard, a new OS goes out in waves, is reverted, a slip is refused; a policy holds what is done by
// hand, is overridden, and another one is written, tested and committed.
func TestFleetPages(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.env = append(c.env, "DURATION=1s", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com")
	// The mock datacenters of this test are not on the ports that readers have.
	c.run(`sed -i "s/:8080/:$PORT_WEST/; s/:8081/:$PORT_EAST/" fleet-example/datacenters/*/datacenter.yaml`)
	first := steps(t, "../../docs/fleet-repo.md", "Try it")
	const end = "kubectl delete fleet prod"
	var begin, done []step
	for i, step := range first {
		if step.command == end {
			begin, done = first[:i], first[i:]
		}
	}
	if done == nil {
		t.Fatalf("the page does not end with %s", end)
	}
	c.walk(begin)
	c.walk(steps(t, "../../docs/rollouts.md", "A change, wave by wave"))
	c.walk(steps(t, "../../docs/policies.md", "Try it"))
	c.walk(steps(t, "../../docs/policies.md", "From nothing to a tested rule"))
	c.walk(done)
}

var (
	anyFence = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")
	aCommand = regexp.MustCompile(`(?m)^\s*(?:\$ )?(?:bin/)?(stargate .*)$`)
	tail     = regexp.MustCompile(`\s+(#|\||>|&&|;).*$`)
)

// commandLines are the calls of the command line that the documents show.
func commandLines(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range anyFence.FindAllStringSubmatch(string(text), -1) {
			whole := strings.ReplaceAll(block[1], "\\\n", " ")
			for _, line := range aCommand.FindAllStringSubmatch(whole, -1) {
				found[tail.ReplaceAllString(line[1], "")] = path
			}
		}
	}
	return found
}

// TestCommandsAreThere: what the documents show people typing is a command that there is, with flags that it takes.
func TestCommandsAreThere(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "stargate"), "./cmd/stargate")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := commandLines(t)
	if len(lines) < 30 {
		t.Fatalf("only %d commands found", len(lines))
	}
	for line, path := range lines {
		// With --help a command parses its flags, and does nothing.
		cmd := exec.Command("bash", "-c", "set -f; "+line+" --help")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "KUBECONFIG=/nowhere")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Usage:") {
			t.Errorf("%s shows %q: %v\n%s", path, line, err, out)
		}
	}
}
