package source

import (
	"context"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"stargate.io/stargate/gitsync/tree"
)

const (
	// maxPath is how many bytes a path may have.
	maxPath = 1024
	// entriesPerFile is how many entries of folders are looked at for each file that there may be.
	entriesPerFile = 20
	// maxTold is how many paths one refusal names.
	maxTold = 8
)

// found is a file that is to be read.
type found struct {
	path string
	blob plumbing.Hash
}

// walk through the folders of a commit.
type walk struct {
	ctx     context.Context //nolint:containedctx // of one walk, which is one call
	objs    objects
	limits  Limits
	root    string // before every path, for messages
	entries int
	files   []found
	refused []string
	skipped int // refused beyond those that are told
}

// readFiles reads what is below a path.
func readFiles(ctx context.Context, objs objects, root plumbing.Hash, path string, l Limits) ([]tree.File, error) {
	path = strings.Trim(path, "/")
	start, err := enter(objs, root, path)
	if err != nil {
		return nil, err
	}
	w := &walk{ctx: ctx, objs: objs, limits: l, root: path}
	if err := w.folder(start, ""); err != nil {
		return nil, err
	}
	if len(w.refused) > 0 {
		text := strings.Join(w.refused, "; ")
		if w.skipped > 0 {
			text += "; and " + strconv.Itoa(w.skipped) + " more"
		}
		return nil, failure(Refused, "put plain files in their place", "%s", text)
	}
	return w.read()
}

// enter the folder that is named.
func enter(objs objects, root plumbing.Hash, path string) (plumbing.Hash, error) {
	at := ""
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." {
			continue
		}
		t, err := folderOf(objs, root)
		if err != nil {
			return root, err
		}
		at = strings.TrimPrefix(at+"/"+part, "/")
		entry := entryOf(t, part)
		switch {
		case part == ".." || entry == nil:
			return root, failure(Refused, "commit it, or write another into spec.path", "there is no folder %q", brief(at))
		case entry.Mode != filemode.Dir:
			return root, failure(Refused, "put a folder there, or write another into spec.path", "%q is %s and not a folder", brief(at), kindOf(entry.Mode))
		}
		root = entry.Hash
	}
	return root, nil
}

func entryOf(t *object.Tree, name string) *object.TreeEntry {
	for i := range t.Entries {
		if t.Entries[i].Name == name {
			return &t.Entries[i]
		}
	}
	return nil
}

func folderOf(objs objects, h plumbing.Hash) (*object.Tree, error) {
	raw, err := objs.get(h, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	o := &plumbing.MemoryObject{}
	o.SetType(plumbing.TreeObject)
	_, _ = o.Write(raw)
	t := &object.Tree{}
	if err := t.Decode(o); err != nil {
		return nil, corrupt("the folder %s: %s", h, brief(err.Error()))
	}
	return t, nil
}

func kindOf(m filemode.FileMode) string {
	switch m {
	case filemode.Dir:
		return "a folder"
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
		return "a file"
	case filemode.Symlink:
		return "a symlink"
	case filemode.Submodule:
		return "a submodule"
	case filemode.Empty:
	}
	return "of the unknown mode " + m.String()
}

// folder and all below it.
func (w *walk) folder(h plumbing.Hash, prefix string) error {
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	t, err := folderOf(w.objs, h)
	if err != nil {
		return err
	}
	last := make(map[string]bool, len(t.Entries))
	for _, e := range t.Entries {
		if w.entries++; w.entries > w.limits.Files*entriesPerFile {
			return failure(Refused, "write a smaller folder into spec.path", "the folders hold more than %d entries", w.limits.Files*entriesPerFile)
		}
		path := prefix + e.Name
		switch wrong := w.wrong(path, e.Name); {
		case wrong != "":
			w.refuse(path, wrong)
			continue
		case last[e.Name]:
			w.refuse(path, "is there twice")
			continue
		}
		last[e.Name] = true
		if err := w.entry(e, path); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(e object.TreeEntry, path string) error {
	dotted := strings.HasPrefix(e.Name, ".")
	switch e.Mode {
	case filemode.Dir:
		if dotted {
			return nil
		}
		return w.folder(e.Hash, path+"/")
	case filemode.Regular, filemode.Executable, filemode.Deprecated:
		if dotted || !isRead(e.Name) {
			return nil
		}
		if len(w.files) >= w.limits.Files {
			return failure(Refused, "write a smaller folder into spec.path, or put several objects into a file",
				"there are more than %d files", w.limits.Files)
		}
		w.files = append(w.files, found{path, e.Hash})
	case filemode.Symlink, filemode.Submodule, filemode.Empty:
		w.refuse(path, "is "+kindOf(e.Mode))
	default:
		w.refuse(path, "is "+kindOf(e.Mode))
	}
	return nil
}

// isRead tells whether a fleet reads files of this name.
func isRead(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".lua")
}

// wrong says what is odd about a name.
func (w *walk) wrong(path, name string) string {
	switch {
	case len(path) > maxPath:
		return "has a path of more than " + strconv.Itoa(maxPath) + " bytes"
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`):
		return "is no name of a file"
	case !utf8.ValidString(name):
		return "has a name that is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || !unicode.IsPrint(r) }):
		return "has a name that cannot be printed"
	}
	return ""
}

func (w *walk) refuse(path, why string) {
	if len(w.refused) == maxTold {
		w.skipped++
		return
	}
	if w.root != "" {
		path = w.root + "/" + path
	}
	if len(path) > longest {
		path = path[:longest] + "…"
	}
	w.refused = append(w.refused, strconv.QuoteToASCII(path)+" "+why)
}

// read the files that were found.
func (w *walk) read() ([]tree.File, error) {
	want := make(map[plumbing.Hash]bool, len(w.files))
	for _, f := range w.files {
		want[f.blob] = true
	}
	blobs, err := w.objs.blobs(w.ctx, want)
	if err != nil {
		return nil, err
	}
	var sum int64
	files := make([]tree.File, 0, len(w.files))
	for _, f := range w.files {
		b, ok := blobs[f.blob]
		switch {
		case !ok:
			return nil, corrupt("the content of %q is missing", f.path)
		case b.size > w.limits.Blob:
			return nil, failure(Refused, "split it, or keep it out of the folder", "%q has more than %s", f.path, size(w.limits.Blob))
		}
		if sum += b.size; sum > w.limits.Bytes {
			return nil, tooManyBytes(w.limits)
		}
		files = append(files, tree.File{Path: f.path, Data: b.data})
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files, nil
}

func tooManyBytes(l Limits) error {
	return failure(Refused, "write a smaller folder into spec.path", "the files have more than %s together", size(l.Bytes))
}
