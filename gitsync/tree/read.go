package tree

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"stargate.io/stargate/api/v1alpha1"
)

// commit is what all documents of a commit share.
type commit struct {
	options Options
	scripts map[string][]byte
	fleet   fleetSettings
	items   []*item
	// unread documents might hold what others refer to.
	unread   bool
	problems []Problem
	// large documents are read one at a time, so that many of them need no more room than one.
	large sync.Mutex
}

// largest document that is read beside others. Nodes may take two hundred times the room of their text.
const largest = 64 << 10

// readers at work at once.
const readers = 8

// Read makes of the files of one commit the objects that should be. With problems there is no tree: a commit is taken
// whole or not at all. The order of the files does not matter.
func Read(files []File, o Options) (*Tree, []Problem) {
	o.Limits = o.Limits.or(DefaultLimits())
	c := &commit{options: o, scripts: map[string][]byte{}}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	c.readAll(c.chunks(files))
	c.share()
	c.compare()
	if len(c.problems) > 0 {
		return nil, told(c.problems, o.Limits.Problems)
	}
	return c.tree(), nil
}

// chunks of all files that are read; scripts and fleet.yaml are put aside.
func (c *commit) chunks(files []File) []chunk {
	var all []chunk
	for _, file := range files {
		switch {
		case file.Path == fleetFile:
			c.readFleet(file)
		case skipped(file.Path) || !isYAML(file.Path) && !strings.HasSuffix(file.Path, ".lua"):
		case plain(file.Path) != file.Path:
			c.unread = true
			c.problems = append(c.problems, Problem{
				Place:   Place{File: strings.Trim(quoted(file.Path), `"`), Line: 1},
				Message: "the file's name is not plain text, or is longer than 400 bytes", Mend: "rename the file",
			})
		case strings.HasSuffix(file.Path, ".lua"):
			c.scripts[file.Path] = file.Data
		default:
			some, problems := split(file, c.options.Limits)
			all = append(all, some...)
			c.problems = append(c.problems, problems...)
			c.unread = c.unread || len(problems) > 0
		}
	}
	if limit := c.options.Limits.Objects; len(all) > limit {
		over := all[limit]
		c.unread = true
		c.problems = append(c.problems, over.problem(1, 0,
			fmt.Sprintf("the commit has %d documents, more than the %d objects that a fleet may have", len(all), limit),
			"spread them over several fleets, each with a path of its own"))
		return nil
	}
	return all
}

// result of a chunk.
type result struct {
	items    []*item
	problems []Problem
	unread   bool
}

// readAll reads the chunks at once; what comes of them keeps their order.
func (c *commit) readAll(chunks []chunk) {
	results := make([]result, len(chunks))
	var wait sync.WaitGroup
	for reader := range readers {
		wait.Go(func() {
			for at := reader; at < len(chunks); at += readers {
				results[at] = c.readChunk(chunks[at])
			}
		})
	}
	wait.Wait()
	for _, out := range results {
		c.items = append(c.items, out.items...)
		c.problems = append(c.problems, out.problems...)
		c.unread = c.unread || out.unread
	}
}

func (c *commit) readChunk(of chunk) (out result) {
	if len(of.text) > largest {
		c.large.Lock()
		defer c.large.Unlock()
	}
	roots, problems := parse(of, c.options.Limits)
	out.problems, out.unread = problems, len(problems) > 0
	for _, root := range roots {
		i, problems := c.read(of, root)
		out.problems = append(out.problems, problems...)
		if i == nil {
			out.unread = true
			continue
		}
		out.items = append(out.items, i)
	}
	return out
}

// tree of a commit without problems.
func (c *commit) tree() *Tree {
	t := &Tree{Guard: c.fleet.Guard}
	for _, i := range c.items {
		if !i.shared {
			t.Objects = append(t.Objects, i.Object)
		}
	}
	slices.SortStableFunc(t.Objects, func(a, b *Object) int { return compareKeys(a.Key(), b.Key()) })
	return t
}

func compareKeys(a, b Key) int {
	return cmp.Or(
		cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Servers of the tree, in its order.
func (t *Tree) Servers() []*v1alpha1.Server { return typed[*v1alpha1.Server](t) }

// Groups of the tree, in its order.
func (t *Tree) Groups() []*v1alpha1.ServerGroup { return typed[*v1alpha1.ServerGroup](t) }

// Profiles of the tree, in its order, shared ones once for each namespace.
func (t *Tree) Profiles() []*v1alpha1.ProvisioningProfile {
	return typed[*v1alpha1.ProvisioningProfile](t)
}

// Datacenters of the tree, in its order.
func (t *Tree) Datacenters() []*v1alpha1.Datacenter { return typed[*v1alpha1.Datacenter](t) }

// Policies of the tree, in its order.
func (t *Tree) Policies() []*v1alpha1.Policy { return typed[*v1alpha1.Policy](t) }

// Hooks of the tree, in its order.
func (t *Tree) Hooks() []*v1alpha1.Hook { return typed[*v1alpha1.Hook](t) }

func typed[T any](t *Tree) []T {
	var all []T
	for _, o := range t.Objects {
		if of, ok := o.Typed.(T); ok {
			all = append(all, of)
		}
	}
	return all
}

func keysOf[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for key := range m {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

func itoa(n int) string { return strconv.Itoa(n) }
