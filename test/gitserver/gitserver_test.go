package gitserver_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stargate.io/stargate/test/gitserver"
)

// git as a person would run it, without any configuration of theirs.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@x",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestGitClonesAndPushes(t *testing.T) {
	root, work := t.TempDir(), t.TempDir()
	repo, err := gitserver.NewRepo(filepath.Join(root, "fleet.git"))
	if err != nil {
		t.Fatal(err)
	}
	seed := t.TempDir()
	if err := os.MkdirAll(filepath.Join(seed, "profiles"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(seed, "profiles", "web.yaml"), []byte("a: b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := repo.LoadDir(seed); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit("first"); err != nil {
		t.Fatal(err)
	}
	server, err := gitserver.StartHTTP(gitserver.Options{Root: root, Writable: true, Username: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	url := strings.Replace(server.Repo("fleet.git"), "http://", "http://u:p@", 1)
	git(t, work, "clone", "-q", url, "clone")
	clone := filepath.Join(work, "clone")
	if err := os.WriteFile(filepath.Join(clone, "profiles", "web.yaml"), []byte("a: c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	git(t, clone, "commit", "-q", "-am", "second")
	git(t, clone, "push", "-q", "origin", "HEAD:main")
	head, err := repo.Head("main")
	if err != nil || head != git(t, clone, "rev-parse", "HEAD") {
		t.Errorf("got %s, %v", head, err)
	}
	// What was pushed is what the next commit builds upon.
	if err := repo.Branch("main"); err != nil {
		t.Fatal(err)
	}
	if err := repo.Write(map[string]string{"b.yaml": "b"}); err != nil {
		t.Fatal(err)
	}
	third, err := repo.Commit("third")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := repo.Git("show", third+":profiles/web.yaml"); got != "a: c" {
		t.Errorf("got %q", got)
	}
	if len(server.Requests()) < 4 {
		t.Error("requests are not counted")
	}
}
