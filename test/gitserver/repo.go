package gitserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Repo is a bare repository with an index of its own, so that it needs no worktree.
type Repo struct {
	// Dir of the repository, and Name: its last part.
	Dir, Name string

	branch string // that Commit moves
}

// NewRepo makes an empty one with the branch main.
func NewRepo(dir string) (*Repo, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	r := &Repo{Dir: dir, Name: filepath.Base(dir), branch: "main"}
	if _, err := r.run(nil, nil, "init", "--quiet", "--bare", "--initial-branch=main", dir); err != nil {
		return nil, err
	}
	return r, r.Config("http.receivepack", "true")
}

// environment of git: nothing of the user's.
func environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}
}

// run git in the repository.
func (r *Repo) run(env []string, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), "git", args...) // #nosec G204 -- git, with what a test says
	cmd.Env = append(append(environment(), "GIT_DIR="+r.Dir), env...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// Git runs git in the repository and gives what it prints.
func (r *Repo) Git(args ...string) (string, error) { return r.run(nil, nil, args...) }

// GitInput is Git with an input.
func (r *Repo) GitInput(stdin []byte, args ...string) (string, error) {
	return r.run(nil, stdin, args...)
}

// Config of the repository is set.
func (r *Repo) Config(key, value string) error {
	_, err := r.Git("config", key, value)
	return err
}

// Write files into the index, for the next Commit.
func (r *Repo) Write(files map[string]string) error {
	var lines strings.Builder
	for path, content := range files {
		hash, err := r.GitInput([]byte(content), "hash-object", "-w", "--stdin")
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "100644 %s 0\t%s\x00", hash, path)
	}
	_, err := r.GitInput([]byte(lines.String()), "update-index", "-z", "--index-info")
	return err
}

// Put an entry of any mode into the index, such as 120000 for a symlink whose target is the content.
func (r *Repo) Put(mode, path, content string) error {
	hash := content // a submodule's is a commit's name
	if mode != "160000" {
		var err error
		if hash, err = r.GitInput([]byte(content), "hash-object", "-w", "--stdin"); err != nil {
			return err
		}
	}
	_, err := r.GitInput([]byte(mode+" "+hash+" 0\t"+path+"\x00"), "update-index", "-z", "--index-info")
	return err
}

// Remove files from the index, for the next Commit.
func (r *Repo) Remove(paths ...string) error {
	_, err := r.Git(append([]string{"rm", "--cached", "--quiet", "-r", "--"}, paths...)...)
	return err
}

// LoadDir writes the files below a folder, as a worktree would be added.
func (r *Repo) LoadDir(dir string) error {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path) // #nosec G304 -- below the folder that was named
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the folder: %w", err)
	}
	return r.Write(files)
}

// Author as git wants one.
type Author struct {
	Name, Email string
	// At which time; zero is now.
	At time.Time
}

func (a Author) env() []string {
	if a.Name == "" {
		a.Name, a.Email = "Ann Author", "ann@example.org"
	}
	if a.At.IsZero() {
		a.At = time.Now()
	}
	date := fmt.Sprintf("%d +0000", a.At.Unix())
	return []string{
		"GIT_AUTHOR_NAME=" + a.Name, "GIT_AUTHOR_EMAIL=" + a.Email, "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=" + a.Name, "GIT_COMMITTER_EMAIL=" + a.Email, "GIT_COMMITTER_DATE=" + date,
	}
}

// CommitOptions of one commit.
type CommitOptions struct {
	// Author, and committer; Ann Author where there is none.
	Author Author
	// Signer of the commit; nil leaves it unsigned.
	Signer Signer
	// Orphan: without a parent, so that the branch is moved by force.
	Orphan bool
}

// Commit what was written to the current branch, and give its name.
func (r *Repo) Commit(message string, options ...CommitOptions) (string, error) {
	var o CommitOptions
	if len(options) > 0 {
		o = options[0]
	}
	root, err := r.Git("write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", root, "-m", message}
	parent, err := r.Git("rev-parse", "--quiet", "--verify", "refs/heads/"+r.branch)
	if err == nil && !o.Orphan {
		args = append(args, "-p", parent)
	}
	hash, err := r.run(o.Author.env(), nil, args...)
	if err != nil {
		return "", err
	}
	if o.Signer != nil {
		if hash, err = r.sign(hash, o.Signer); err != nil {
			return "", err
		}
	}
	return hash, r.SetRef("refs/heads/"+r.branch, hash)
}

// Signer makes an armored signature of a commit.
type Signer func(payload []byte) (string, error)

// sign a commit: it is made anew with the signature in its header.
func (r *Repo) sign(hash string, signer Signer) (string, error) {
	raw, err := r.Git("cat-file", "commit", hash)
	if err != nil {
		return "", err
	}
	payload := raw + "\n" // which run has cut
	signature, err := signer([]byte(payload))
	if err != nil {
		return "", fmt.Errorf("signing the commit: %w", err)
	}
	return r.WriteCommit(WithSignature(payload, signature))
}

// WithSignature puts a signature into a commit's header.
func WithSignature(payload, signature string) string {
	head, message, _ := strings.Cut(payload, "\n\n")
	folded := strings.ReplaceAll(strings.TrimRight(signature, "\n"), "\n", "\n ")
	return head + "\ngpgsig " + folded + "\n\n" + message
}

// WriteCommit stores a commit as it is, and gives its name.
func (r *Repo) WriteCommit(raw string) (string, error) {
	return r.GitInput([]byte(raw), "hash-object", "-t", "commit", "-w", "--stdin", "--literally")
}

// Head of a branch.
func (r *Repo) Head(branch string) (string, error) {
	return r.Git("rev-parse", "--verify", "refs/heads/"+branch)
}

// Branch that further commits go to; made at the current one's head where it is new.
func (r *Repo) Branch(name string) error {
	from := r.branch
	r.branch = name
	if _, err := r.Git("rev-parse", "--quiet", "--verify", "refs/heads/"+name); err != nil {
		head, err := r.Head(from)
		if err != nil { // nowhere yet: the first commit makes it
			return nil //nolint:nilerr // a branch without commits is no error
		}
		if err := r.SetRef("refs/heads/"+name, head); err != nil {
			return err
		}
	}
	_, err := r.Git("read-tree", "refs/heads/"+name)
	return err
}

// Tag a commit; with a message it is an annotated tag.
func (r *Repo) Tag(name, commit, message string) error {
	args := []string{"tag", "-f", name, commit}
	if message != "" {
		args = []string{"tag", "-f", "-a", "-m", message, name, commit}
	}
	_, err := r.run(Author{}.env(), nil, args...)
	return err
}

// SetRef moves a ref, whatever it was.
func (r *Repo) SetRef(ref, commit string) error {
	_, err := r.Git("update-ref", ref, commit)
	return err
}

// DeleteRef takes a ref away.
func (r *Repo) DeleteRef(ref string) error {
	_, err := r.Git("update-ref", "-d", ref)
	return err
}

// Empty takes all refs away.
func (r *Repo) Empty() error {
	refs, err := r.Git("for-each-ref", "--format=%(refname)")
	if err != nil {
		return err
	}
	var problems []error
	for ref := range strings.FieldsSeq(refs) {
		problems = append(problems, r.DeleteRef(ref))
	}
	return errors.Join(problems...)
}
