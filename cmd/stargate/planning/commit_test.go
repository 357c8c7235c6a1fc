package planning_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"stargate.io/stargate/cmd/stargate/planning"
)

// clone with so many commits, each of which changes a.yaml; the folder and the commits' hashes.
func clone(t *testing.T, commits int) (string, []string) {
	t.Helper()
	dir := t.TempDir()
	repository, err := git.PlainInit(dir, false)
	must(t, err)
	tree, err := repository.Worktree()
	must(t, err)
	var hashes []string
	for i := range commits {
		write(t, filepath.Join(dir, "fleet", "a.yaml"), fmt.Sprintf("# %d\n", i))
		write(t, filepath.Join(dir, "README.md"), "# fleet\n")
		_, err = tree.Add(".")
		must(t, err)
		hash, err := tree.Commit(fmt.Sprintf("commit %d", i), &git.CommitOptions{Author: &object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Unix(int64(i), 0)}})
		must(t, err)
		hashes = append(hashes, hash.String())
	}
	return dir, hashes
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(file), 0o750))
	must(t, os.WriteFile(file, []byte(text), 0o600))
}

func TestWhatIsMeant(t *testing.T) {
	dir, hashes := clone(t, 3)
	repository, err := git.PlainOpen(dir)
	must(t, err)
	must(t, repository.Storer.SetReference(plumbing.NewHashReference("refs/heads/topic", plumbing.NewHash(hashes[1]))))
	must(t, repository.Storer.SetReference(plumbing.NewHashReference("refs/remotes/origin/main", plumbing.NewHash(hashes[0]))))
	write(t, filepath.Join(dir, "fleet", "a.yaml"), "# not committed\n")
	for name, test := range map[string]struct {
		wish planning.Wish
		want string
	}{
		"the working copy":       {planning.Wish{From: dir}, `working copy: fleet/a.yaml "# not committed\n"`},
		"from within it":         {planning.Wish{From: filepath.Join(dir, "fleet")}, `working copy: fleet/a.yaml "# not committed\n"`},
		"below a path":           {planning.Wish{From: dir, Path: "fleet"}, `working copy: a.yaml "# not committed\n"`},
		"a folder":               {planning.Wish{From: "/", Dir: filepath.Join(dir, "fleet")}, filepath.Join(dir, "fleet") + `: a.yaml "# not committed\n"`},
		"HEAD":                   {planning.Wish{From: dir, Rev: "HEAD"}, hashes[2][:7] + ` commit 2 Ada <ada@example.com>: fleet/a.yaml "# 2\n"`},
		"the one before":         {planning.Wish{From: dir, Rev: "HEAD~1", Path: "fleet/"}, hashes[1][:7] + ` commit 1 Ada <ada@example.com>: a.yaml "# 1\n"`},
		"a branch":               {planning.Wish{From: dir, Rev: "topic"}, hashes[1][:7] + ` commit 1 Ada <ada@example.com>: fleet/a.yaml "# 1\n"`},
		"a commit":               {planning.Wish{From: dir, Rev: hashes[0]}, hashes[0][:7] + ` commit 0 Ada <ada@example.com>: fleet/a.yaml "# 0\n"`},
		"a range":                {planning.Wish{From: dir, Rev: "origin/main..HEAD"}, hashes[0][:7] + ".." + hashes[2][:7] + ` commit 2 Ada <ada@example.com>: fleet/a.yaml "# 2\n" since fleet/a.yaml "# 0\n" (1)`},
		"a range to HEAD":        {planning.Wish{From: dir, Rev: "topic.."}, hashes[1][:7] + ".." + hashes[2][:7] + ` commit 2 Ada <ada@example.com>: fleet/a.yaml "# 2\n" since fleet/a.yaml "# 1\n" (1)`},
		"of three dots":          {planning.Wish{From: dir, Rev: "main...HEAD"}, "a range of two dots is understood"},
		"no such":                {planning.Wish{From: dir, Rev: "nowhere"}, `looking for the revision "nowhere"`},
		"no such path":           {planning.Wish{From: dir, Path: "elsewhere"}, `there is no folder "elsewhere"`},
		"no such path of commit": {planning.Wish{From: dir, Rev: "HEAD", Path: "elsewhere"}, `there is no folder "elsewhere"`},
		"a path that leads out":  {planning.Wish{From: dir, Path: "../.."}, "leads out of the repository"},
		"two things":             {planning.Wish{From: dir, Dir: dir, Rev: "HEAD"}, "say two things"},
		"no clone":               {planning.Wish{From: t.TempDir()}, "is in no git repository"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(test.wish.Get(context.Background())); !strings.Contains(got, test.want) {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

func told(read *planning.Read, err error) string {
	if err != nil {
		return err.Error()
	}
	text := read.Name
	if read.Commit != "" {
		text += " " + read.Subject + " " + read.Author
	}
	text += ":"
	for _, file := range read.Files {
		text += fmt.Sprintf(" %s %q", file.Path, file.Data)
	}
	if read.Base != nil {
		text += " since"
		for _, file := range read.Base {
			text += fmt.Sprintf(" %s %q", file.Path, file.Data)
		}
		text += fmt.Sprintf(" (%d)", read.Differing)
	}
	return text
}

// TestLinkedWorktrees have a HEAD of their own and their objects elsewhere.
func TestLinkedWorktrees(t *testing.T) {
	dir, hashes := clone(t, 2)
	linked, admin := t.TempDir(), filepath.Join(dir, ".git", "worktrees", "linked")
	write(t, filepath.Join(linked, ".git"), "gitdir: "+admin+"\n")
	write(t, filepath.Join(admin, "HEAD"), hashes[0]+"\n")
	write(t, filepath.Join(admin, "commondir"), "../..\n")
	write(t, filepath.Join(admin, "gitdir"), filepath.Join(linked, ".git")+"\n")
	if got := told(planning.Wish{From: linked, Rev: "HEAD"}.Get(context.Background())); !strings.HasPrefix(got, hashes[0][:7]) {
		t.Errorf("got %s, want %s", got, hashes[0][:7])
	}
	write(t, filepath.Join(linked, ".git"), strings.Repeat("x", 10_000))
	if got := told(planning.Wish{From: linked, Rev: "HEAD"}.Get(context.Background())); !strings.Contains(got, "not what git writes") {
		t.Errorf("got %s", got)
	}
}

func TestBareClones(t *testing.T) {
	dir, hashes := clone(t, 1)
	bare := filepath.Join(t.TempDir(), "fleet.git")
	_, err := git.PlainClone(bare, true, &git.CloneOptions{URL: dir})
	must(t, err)
	if got := told(planning.Wish{From: bare, Rev: "HEAD"}.Get(context.Background())); !strings.HasPrefix(got, hashes[0][:7]) {
		t.Errorf("got %s", got)
	}
	if got := told(planning.Wish{From: bare}.Get(context.Background())); !strings.Contains(got, "is bare, and has no working copy") {
		t.Errorf("got %s", got)
	}
}

func TestFoldersAreReadAsCommitsAre(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T, dir string)
		want string
	}{
		"what is no YAML or Lua is not read": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, "b.yml"), "")
			write(t, filepath.Join(dir, "hooks", "drain.lua"), "")
			write(t, filepath.Join(dir, "README.md"), "")
			write(t, filepath.Join(dir, ".hidden.yaml"), "")
			write(t, filepath.Join(dir, ".github", "ci.yaml"), "")
		}, "a.yaml b.yml hooks/drain.lua"},
		"a symlink": {func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "x.yaml")))
		}, `"x.yaml" is a symlink; put plain files in their place`},
		"a symlink of a folder": {func(t *testing.T, dir string) { t.Helper(); must(t, os.Symlink("/etc", filepath.Join(dir, "etc"))) }, `"etc" is a symlink`},
		"a submodule":           {func(t *testing.T, dir string) { t.Helper(); write(t, filepath.Join(dir, "sub", ".git"), "gitdir: x") }, `"sub" is a submodule`},
		"an odd name":           {func(t *testing.T, dir string) { t.Helper(); write(t, filepath.Join(dir, "a\x1b[2J.yaml"), "") }, `"a\x1b[2J.yaml" has a name that cannot be printed`},
		"a large file": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, "l.yaml"), strings.Repeat("x", 1<<20+1))
		}, "more than 1048576 bytes; split it"},
		"ten of them": {func(t *testing.T, dir string) {
			t.Helper()
			for i := range 10 {
				must(t, os.Symlink("/", filepath.Join(dir, fmt.Sprintf("l%d", i))))
			}
		}, "and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a.yaml"), "")
			test.make(t, dir)
			files, err := planning.ReadFolder(context.Background(), dir)
			got := fmt.Sprint(err)
			if err == nil {
				got = ""
				for _, file := range files {
					got += " " + file.Path
				}
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
