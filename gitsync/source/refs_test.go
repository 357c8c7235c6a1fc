package source_test

import (
	"strings"
	"testing"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/source"
)

func TestEveryKindOfRefIsFollowed(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", nil)
	w.must(w.repo.Tag("v1.2.0", first, ""))
	second := w.commit("second", nil)
	w.must(w.repo.Tag("v1.10.0", second, "annotated"))
	w.must(w.repo.Tag("2.0.0", second, ""))
	w.must(w.repo.Tag("v1.11.0-rc.1", second, ""))
	w.must(w.repo.Tag("not-a-version", second, ""))
	third := w.commit("third", nil)
	w.must(w.repo.Branch("feature/x"))
	side := w.commit("side", nil)

	for name, tc := range map[string]struct {
		ref            v1alpha1.GitRef
		hash, revision string
		refName        string
	}{
		"branch":             {v1alpha1.GitRef{Branch: "main"}, third, "main@sha1:" + third, "refs/heads/main"},
		"branch with slash":  {v1alpha1.GitRef{Branch: "feature/x"}, side, "feature/x@sha1:" + side, "refs/heads/feature/x"},
		"lightweight tag":    {v1alpha1.GitRef{Tag: "v1.2.0"}, first, "v1.2.0@sha1:" + first, "refs/tags/v1.2.0"},
		"annotated tag":      {v1alpha1.GitRef{Tag: "v1.10.0"}, second, "v1.10.0@sha1:" + second, "refs/tags/v1.10.0"},
		"range":              {v1alpha1.GitRef{Semver: ">=1.0.0 <2.0.0"}, second, "v1.10.0@sha1:" + second, "refs/tags/v1.10.0"},
		"range without v":    {v1alpha1.GitRef{Semver: "2.x"}, second, "2.0.0@sha1:" + second, "refs/tags/2.0.0"},
		"range of one":       {v1alpha1.GitRef{Semver: "~v1.2"}, first, "v1.2.0@sha1:" + first, "refs/tags/v1.2.0"},
		"range with rc":      {v1alpha1.GitRef{Semver: ">=1.11.0-0 <1.12.0"}, second, "v1.11.0-rc.1@sha1:" + second, "refs/tags/v1.11.0-rc.1"},
		"commit that shows":  {v1alpha1.GitRef{Commit: third}, third, "sha1:" + third, ""},
		"commit behind tags": {v1alpha1.GitRef{Commit: second}, second, "sha1:" + second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := w.request()
			req.Ref = tc.ref
			for _, url := range []string{req.URL, "file://" + w.repo.Dir} {
				req.URL = url
				head, err := source.Git{}.Resolve(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				if head.Commit != tc.hash || head.Revision != tc.revision || head.RefName != tc.refName {
					t.Errorf("got %+v", head)
				}
				c, err := source.Git{}.Fetch(t.Context(), req, head)
				if err != nil {
					t.Fatal(err)
				}
				if c.Hash != tc.hash || c.Revision != tc.revision || len(c.Files) != 1 {
					t.Errorf("got %+v", c)
				}
			}
		})
	}
}

func TestACommitThatNoRefShowsIsTriedAndExplained(t *testing.T) {
	w := newWorld(t)
	old := w.commit("old", nil)
	w.commit("new", nil)
	req := w.request()
	req.Ref.Commit = old
	if c := w.fetch(req); c.Hash != old { // over HTTP git hands out what a ref leads to
		t.Errorf("got %s, want %s", c.Hash, old)
	}
	w.commit("forced", nil, orphan)
	w.fails(req, source.RefNotFound, "the repository has no commit "+old, "allowAnySHA1InWant")
	w.must(w.repo.Config("uploadpack.allowAnySHA1InWant", "true"))
	if c := w.fetch(req); c.Hash != old {
		t.Errorf("got %s, want %s", c.Hash, old)
	}
	req.URL = "file://" + w.repo.Dir // where no server refuses anything
	if c := w.fetch(req); c.Hash != old {
		t.Errorf("got %s, want %s", c.Hash, old)
	}
}

func TestRefsThatCannotBeFollowed(t *testing.T) {
	w := newWorld(t)
	hash := w.commit("first", nil)
	tree, err := w.repo.Git("rev-parse", hash+"^{tree}")
	w.must(err)
	w.must(w.repo.Tag("a-tree", tree, ""))
	blob, err := w.repo.Git("rev-parse", hash+":fleet.yaml")
	w.must(err)
	w.must(w.repo.Tag("a-blob", blob, "annotated"))
	for name, tc := range map[string]struct {
		ref  v1alpha1.GitRef
		kind source.Kind
		word string
	}{
		"branch":      {v1alpha1.GitRef{Branch: "gone"}, source.RefNotFound, `there is no branch "gone"`},
		"tag":         {v1alpha1.GitRef{Tag: "gone"}, source.RefNotFound, `there is no tag "gone"`},
		"range":       {v1alpha1.GitRef{Semver: ">=9"}, source.RefNotFound, "no tag is a version"},
		"bad range":   {v1alpha1.GitRef{Semver: ">=one"}, source.Refused, "is no range of versions"},
		"commit":      {v1alpha1.GitRef{Commit: strings.Repeat("a", 40)}, source.RefNotFound, "has no commit"},
		"sha256":      {v1alpha1.GitRef{Commit: strings.Repeat("a", 64)}, source.Refused, "SHA-256"},
		"short":       {v1alpha1.GitRef{Commit: "abc"}, source.Refused, "no commit in full"},
		"tag of blob": {v1alpha1.GitRef{Tag: "a-blob"}, source.Refused, "is a blob and not a commit"},
		"tag of tree": {v1alpha1.GitRef{Tag: "a-tree"}, source.Refused, "is a tree and not a commit"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, url := range []string{w.request().URL, "file://" + w.repo.Dir} {
				req := w.request()
				req.Ref, req.URL = tc.ref, url
				if url != w.request().URL && name == "commit" {
					tc.word = "has no commit"
				}
				_, err := w.try(req)
				wants(t, err, tc.kind, tc.word)
			}
		})
	}
}

func TestAnUnmovedRefCostsOneRoundTrip(t *testing.T) {
	w := newWorld(t)
	w.commit("first", nil)
	req := w.request()
	first, err := source.Git{}.Resolve(t.Context(), req)
	w.must(err)
	w.http.Requests()
	second, err := source.Git{}.Resolve(t.Context(), req)
	w.must(err)
	if got := w.http.Requests(); len(got) != 1 || first.Revision != second.Revision {
		t.Errorf("got %v, want one request", got)
	}
	// A head that was kept as text costs a look at the refs again.
	kept := source.Head{Revision: second.Revision, Commit: second.Commit, RefName: second.RefName}
	_, err = source.Git{}.Fetch(t.Context(), req, kept)
	w.must(err)
	if got := w.http.Requests(); len(got) != 2 {
		t.Errorf("got %v, want two requests", got)
	}
}

func TestAForcePushIsFollowed(t *testing.T) {
	w := newWorld(t)
	w.commit("first", map[string]string{"a.yaml": "a"})
	req := w.request()
	before, err := source.Git{}.Resolve(t.Context(), req)
	w.must(err)
	w.must(w.repo.Remove("a.yaml"))
	forced := w.commit("forced", map[string]string{"b.yaml": "b"}, orphan)
	if c := w.fetch(req); c.Hash != forced {
		t.Errorf("got %s, want %s", c.Hash, forced)
	}
	_, err = source.Git{}.Fetch(t.Context(), req, before) // what was looked up is gone by now
	wants(t, err, source.Transient, "the ref moved on")
}

func TestAnEmptiedRepositorySaysSo(t *testing.T) {
	w := newWorld(t)
	for _, url := range []string{w.request().URL, "file://" + w.repo.Dir} {
		req := w.request()
		req.URL = url
		w.fails(req, source.Empty, "has no commits")
	}
	w.commit("first", nil)
	w.fetch(w.request())
	w.must(w.repo.Empty())
	w.fails(w.request(), source.Empty, "has no commits", "push a commit")
	w.commit("again", nil, orphan)
	w.fetch(w.request())
	w.must(w.repo.DeleteRef("refs/heads/main"))
	w.must(w.repo.Branch("other"))
	w.commit("other", nil, orphan)
	w.fails(w.request(), source.RefNotFound, `there is no branch "main"`, "looking up branch main of http://")
}

func TestTheFolderThatIsRead(t *testing.T) {
	w := newWorld(t)
	w.commit("first", map[string]string{"a/b/c.yaml": "c", "a/file.yaml": "x"})
	req := w.request()
	for path, want := range map[string]string{"a/b": "c.yaml", "a/b/": "c.yaml", "./a/./b": "c.yaml"} {
		req.Path = path
		same(t, paths(w.fetch(req)), want)
	}
	for path, word := range map[string]string{"a/gone/x": `there is no folder "a/gone"`, "a/file.yaml": "is a file and not a folder", "../a": "no folder"} {
		req.Path = path
		w.fails(req, source.Refused, word)
	}
}

func TestAHeadOfAnotherServerIsNotAsked(t *testing.T) {
	one, two := newWorld(t), newWorld(t)
	one.commit("first", nil)
	two.commit("first", nil)
	head, err := source.Git{}.Resolve(t.Context(), one.request())
	one.must(err)
	_, err = source.Git{}.Fetch(t.Context(), two.request(), head)
	wants(t, err, source.Refused, "another repository")
}
