package planning

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/gitsync/tree"
)

// Wish says which commit is meant.
type Wish struct {
	// Rev is a branch, tag or commit, or a range "A..B"; empty for the working copy as it is.
	Rev string
	// Dir is a folder that is read as it is, whether or not it is in a repository; empty for the clone
	// that the working directory is in.
	Dir string
	// From is the working directory.
	From string
	// Path of the folder below which the fleet is read.
	Path string
}

// Read is what was read.
type Read struct {
	// Name of it: "working copy", "41d0e77", "9f1c2ab..41d0e77".
	Name string
	// Commit in full, Author and Subject; empty for a folder.
	Commit, Author, Subject string
	Files                   []tree.File
	// Base that the range begins with; nil where there is no range. Differing files between the two.
	Base      []tree.File
	Differing int
}

// Get what is meant.
func (w Wish) Get(ctx context.Context) (*Read, error) {
	switch {
	case w.Dir != "" && w.Rev != "":
		return nil, errors.New("a revision and --dir say two things: leave one out")
	case w.Dir != "":
		return w.folder(ctx, w.Dir, w.Dir)
	}
	clone, err := findClone(w.From)
	if err != nil {
		return nil, err
	}
	if w.Rev == "" {
		if clone.root == "" {
			return nil, fmt.Errorf("the repository %s is bare, and has no working copy: name a revision", clone.store)
		}
		return w.folder(ctx, clone.root, "working copy")
	}
	before, after, isRange := strings.Cut(w.Rev, "..")
	if strings.HasPrefix(after, ".") {
		return nil, fmt.Errorf("%s: a range of two dots is understood, not one of three", w.Rev)
	}
	if !isRange {
		return w.commit(ctx, clone, w.Rev)
	}
	return w.span(ctx, clone, before, after)
}

func (w Wish) folder(ctx context.Context, root, name string) (*Read, error) {
	folder, err := below(root, w.Path)
	if err != nil {
		return nil, err
	}
	files, err := ReadFolder(ctx, folder)
	if err != nil {
		return nil, err
	}
	return &Read{Name: name, Files: files}, nil
}

// span reads both ends of a range; one that is left out is HEAD.
func (w Wish) span(ctx context.Context, clone clone, before, after string) (*Read, error) {
	base, err := w.commit(ctx, clone, orHead(before))
	if err != nil {
		return nil, err
	}
	read, err := w.commit(ctx, clone, orHead(after))
	if err != nil {
		return nil, err
	}
	read.Name, read.Base, read.Differing = base.Name+".."+read.Name, base.Files, differing(base.Files, read.Files)
	return read, nil
}

func orHead(rev string) string {
	if rev == "" {
		return "HEAD"
	}
	return rev
}

// differing counts the files that are not the same in both.
func differing(a, b []tree.File) int {
	before := make(map[string][]byte, len(a))
	for _, file := range a {
		before[file.Path] = file.Data
	}
	n := 0
	for _, file := range b {
		data, there := before[file.Path]
		delete(before, file.Path)
		if !there || !bytes.Equal(data, file.Data) {
			n++
		}
	}
	return n + len(before)
}

// commit reads one commit of a clone, through what a sync reads with.
func (w Wish) commit(ctx context.Context, clone clone, rev string) (*Read, error) {
	at := clone.root
	if at == "" {
		at = clone.store
	}
	repository, err := git.PlainOpenWithOptions(at, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("opening the repository %s: %w", at, err)
	}
	hash, err := repository.ResolveRevision(plumbing.Revision(rev))
	if err != nil {
		return nil, fmt.Errorf("looking for the revision %q in %s: %w", rev, at, err)
	}
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(clone.store)}
	request := source.Request{URL: address.String(), Ref: v1alpha1.GitRef{Commit: hash.String()}, Path: w.Path}
	commit, err := source.Git{}.Fetch(ctx, request, source.Head{Revision: "sha1:" + hash.String(), Commit: hash.String()})
	if err != nil {
		return nil, err
	}
	return &Read{Name: short(commit.Hash), Commit: commit.Hash, Author: commit.Author, Subject: commit.Subject, Files: commit.Files}, nil
}

// short form of a commit's hash.
func short(hash string) string { return hash[:min(len(hash), 7)] }

// clone of a repository: the root of its working copy, empty for a bare one, and where its objects are.
type clone struct{ root, store string }

// findClone looks upwards for a clone.
func findClone(from string) (clone, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return clone{}, err
	}
	for at := from; ; at = filepath.Dir(at) {
		info, err := os.Stat(filepath.Join(at, ".git"))
		switch {
		case err == nil && info.IsDir():
			return clone{at, filepath.Join(at, ".git")}, nil
		case err == nil:
			store, err := linked(at)
			return clone{at, store}, err
		case isStore(at):
			return clone{"", at}, nil
		case at == filepath.Dir(at):
			return clone{}, fmt.Errorf("%s is in no git repository: go to the clone of the fleet's repository, or name a folder with --dir", from)
		}
	}
}

func isStore(folder string) bool {
	for _, needed := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(folder, needed)); err != nil {
			return false
		}
	}
	return true
}

// pointerLimit bounds the files of git that hold one path.
const pointerLimit = 4096

// linked finds the objects of a worktree that was linked to a clone.
func linked(root string) (string, error) {
	text, err := pointer(filepath.Join(root, ".git"))
	if err != nil {
		return "", err
	}
	folder, ok := strings.CutPrefix(text, "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s is not what git writes", filepath.Join(root, ".git"))
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(root, folder)
	}
	common, err := pointer(filepath.Join(folder, "commondir"))
	if errors.Is(err, os.ErrNotExist) {
		return folder, nil
	}
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(common) {
		common = filepath.Join(folder, common)
	}
	return filepath.Clean(common), nil
}

func pointer(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Size() > pointerLimit {
		return "", fmt.Errorf("%s is not what git writes", file)
	}
	text, err := os.ReadFile(file) //nolint:gosec // of the person's own clone
	return strings.TrimSpace(string(text)), err
}
