package source_test

import (
	"testing"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/source"
)

func TestABranchIsRead(t *testing.T) {
	w := newWorld(t)
	hash := w.commit("web to 2.1.0", map[string]string{
		"clusters/a/fleet.yaml": "one: 1\n", "clusters/a/hooks/x.lua": "return 1", "clusters/a/README.md": "no",
		"clusters/b.yml": "two: 2\n", ".github/workflows/x.yaml": "no: no\n", ".gitlab-ci.yml": "no: no\n",
	})
	req := w.request()
	head, err := source.Git{}.Resolve(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if head.Revision != "main@sha1:"+hash || head.Commit != hash || head.RefName != "refs/heads/main" {
		t.Errorf("got head %+v", head)
	}
	c, err := source.Git{}.Fetch(t.Context(), req, head)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "web to 2.1.0" || c.Author != "Ann Author <ann@example.org>" || c.Hash != hash || c.When.IsZero() {
		t.Errorf("got commit %+v", c)
	}
	same(t, paths(c), "clusters/a/fleet.yaml", "clusters/a/hooks/x.lua", "clusters/b.yml")
	if got := w.http.Requests(); len(got) != 2 || got[0].Method != "GET" || got[1].Method != "POST" {
		t.Errorf("got requests %v, want one GET and one POST", got)
	}
	req.Path = "clusters/a"
	if c = w.fetch(req); string(c.Files[0].Data) != "one: 1\n" {
		t.Errorf("got %q", c.Files[0].Data)
	}
	same(t, paths(c), "fleet.yaml", "hooks/x.lua")
}

func TestTheZeroRefIsMain(t *testing.T) {
	w := newWorld(t)
	hash := w.commit("first", nil)
	req := w.request()
	req.Ref = v1alpha1.GitRef{}
	if c := w.fetch(req); c.Hash != hash {
		t.Errorf("got %s, want %s", c.Hash, hash)
	}
}
