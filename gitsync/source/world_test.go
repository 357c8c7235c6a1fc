package source_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/test/gitserver"
)

// world is a repository and a server of it.
type world struct {
	t     *testing.T
	root  string
	repo  *gitserver.Repo
	http  *gitserver.HTTP
	creds source.Credentials
}

func newWorld(t *testing.T, options ...gitserver.Options) *world {
	t.Helper()
	var o gitserver.Options
	if len(options) > 0 {
		o = options[0]
	}
	o.Root = t.TempDir()
	repo, err := gitserver.NewRepo(filepath.Join(o.Root, "fleet.git"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := gitserver.StartHTTP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return &world{t: t, root: o.Root, repo: repo, http: server}
}

// must have no error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// commit files to the current branch.
func (w *world) commit(message string, files map[string]string, options ...gitserver.CommitOptions) string {
	w.t.Helper()
	if files == nil {
		files = map[string]string{"fleet.yaml": "for: " + message + "\n"}
	}
	w.must(w.repo.Write(files))
	hash, err := w.repo.Commit(message, options...)
	w.must(err)
	return hash
}

func (w *world) request() source.Request {
	return source.Request{URL: w.http.Repo("fleet.git"), Credentials: w.creds}
}

// fetch what must be there.
func (w *world) fetch(req source.Request) *source.Commit {
	w.t.Helper()
	c, err := w.try(req)
	w.must(err)
	return c
}

// try to resolve and fetch.
func (w *world) try(req source.Request) (*source.Commit, error) {
	head, err := source.Git{}.Resolve(w.t.Context(), req)
	if err != nil {
		return nil, err
	}
	return source.Git{}.Fetch(w.t.Context(), req, head)
}

// fails in the way that is wanted, and says so in the words that are wanted.
func (w *world) fails(req source.Request, kind source.Kind, words ...string) error {
	w.t.Helper()
	_, err := w.try(req)
	wants(w.t, err, kind, words...)
	return err
}

func wants(t *testing.T, err error, kind source.Kind, words ...string) {
	t.Helper()
	if got := source.KindOf(err); got != kind {
		t.Errorf("got kind %q, want %q: %v", got, kind, err)
		return
	}
	if err == nil {
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("got %q, want it to say %q", err, word)
		}
	}
}

func paths(c *source.Commit) []string {
	var out []string
	for _, f := range c.Files {
		out = append(out, f.Path)
	}
	return out
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

var orphan = gitserver.CommitOptions{Orphan: true}

func fingerprint(t *testing.T, public string) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(key)
}
