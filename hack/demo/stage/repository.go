package stage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stargate.io/stargate/test/gitserver"
)

// branch that the fleet follows.
const branch = "main"

// ServeGit serves the repositories below a folder by HTTP, on a free port that it prints, until ctx ends. It is what
// the demo starts as a process of its own, so that KEEP=1 leaves it running.
func ServeGit(ctx context.Context, root string) int {
	server, err := gitserver.StartHTTP(gitserver.Options{Root: root, Writable: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("serving " + server.URL)
	<-ctx.Done()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// repository is the demo's copy of fleet-example, under git.
type repository struct {
	*gitserver.Repo
	url string
}

// openRepository copies fleet-example into a repository, fits it to this demo, and serves it.
func (d *demo) openRepository(ctx context.Context) error {
	root := filepath.Join(d.dir, "git")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return fmt.Errorf("making the repository's folder: %w", err)
	}
	repo, err := gitserver.NewRepo(filepath.Join(root, "fleet.git"))
	if err != nil {
		return fmt.Errorf("making the repository: %w", err)
	}
	if err := repo.LoadDir(fleetExample); err != nil {
		return fmt.Errorf("copying %s: %w", fleetExample, err)
	}
	d.repo = &repository{Repo: repo}
	if err := d.fit(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	server, err := d.crew.start("git", self, "-serve-git", root)
	if err != nil {
		return err
	}
	return server.until(ctx, 20*time.Second, func() bool {
		text, _ := os.ReadFile(server.log) // it is asked for again
		if at := listensOn.FindString(string(text)); at != "" {
			d.repo.url = at + "/fleet.git"
		}
		return d.repo.url != ""
	})
}

// fit makes of the example what a demo of two minutes needs: namespaces that are its own, the sites' addresses, soaks of
// a moment, and a second try for the server that fails on purpose.
func (d *demo) fit() error {
	for _, s := range d.sites {
		from, to := "datacenters/"+s.plan.example+"/", "datacenters/"+s.plan.name+"/"
		files, err := d.repo.files(from)
		if err != nil {
			return err
		}
		moved := map[string]string{}
		for path, text := range files {
			moved[to+strings.TrimPrefix(path, from)] = text
		}
		for name, changes := range map[string][]string{
			"datacenter.yaml": {"http://127.0.0.1:808" + s.plan.port, s.url},
			"groups.yaml":     {"soak: 10m", "soak: 1s", "soak: 30m", "soak: 1s"},
		} {
			if moved[to+name], err = replaced(from+name, moved[to+name], changes...); err != nil {
				return err
			}
		}
		if err := d.repo.Remove(from); err != nil {
			return fmt.Errorf("moving %s: %w", from, err)
		}
		if err := d.repo.Write(moved); err != nil {
			return fmt.Errorf("writing %s: %w", to, err)
		}
	}
	return d.repo.edit("fleet.yaml", "    maxFailures: 0\n", "    maxFailures: 0\n    operations:\n      retries: 1\n")
}

// files below a folder, by path.
func (r *repository) files(folder string) (map[string]string, error) {
	listed, err := r.Git("ls-files", folder)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	files := map[string]string{}
	for path := range strings.FieldsSeq(listed) {
		if files[path], err = r.Git("show", ":"+path); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return files, nil
}

// edit changes words of a file.
func (r *repository) edit(path string, changes ...string) error {
	text, err := r.Git("show", ":"+path)
	if err == nil {
		text, err = replaced(path, text, changes...)
	}
	if err == nil {
		err = r.Write(map[string]string{path: text})
	}
	if err != nil {
		return fmt.Errorf("editing %s: %w", path, err)
	}
	return nil
}

// replaced gives a text with words replaced; each must be there.
func replaced(path, text string, changes ...string) (string, error) {
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			return "", fmt.Errorf("%s does not say %q any more: fit the demo to it", path, changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text, nil
}

// commit what was written, and give its hash.
func (r *repository) commit(message string) (string, error) {
	hash, err := r.Commit(message, gitserver.CommitOptions{Author: gitserver.Author{Name: "Alice", Email: "alice@example.com"}})
	if err != nil {
		return "", fmt.Errorf("committing %q: %w", message, err)
	}
	return hash, nil
}
