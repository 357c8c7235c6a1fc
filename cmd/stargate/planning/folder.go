package planning

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/gitsync/tree"
)

const (
	// longestPath that a file may have, as at a sync.
	longestPath = 1024
	// entriesPerFile is how many entries of folders are looked at for each file that there may be.
	entriesPerFile = 20
	// toldAtMost is how many refused names an error tells.
	toldAtMost = 8
)

// ReadFolder reads the files of a folder as a sync would read those of a commit: symlinks and odd names
// are refused, names that begin with a dot are not read, and the same caps hold.
func ReadFolder(ctx context.Context, folder string) ([]tree.File, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	defer func() { _ = root.Close() }()
	w := folderWalk{root: root, limits: source.DefaultLimits()}
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		return w.visit(path, entry)
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", folder, err)
	}
	if w.refusals > 0 {
		text := strings.Join(w.refused, "; ")
		if more := w.refusals - len(w.refused); more > 0 {
			text += fmt.Sprintf("; and %d more", more)
		}
		return nil, fmt.Errorf("reading %s: %s; put plain files in their place", folder, text)
	}
	sort.Slice(w.files, func(i, j int) bool { return w.files[i].Path < w.files[j].Path })
	return w.files, nil
}

type folderWalk struct {
	root     *os.Root
	limits   source.Limits
	files    []tree.File
	bytes    int64
	entries  int
	refused  []string
	refusals int
}

func (w *folderWalk) visit(path string, entry fs.DirEntry) error {
	if path == "." {
		return nil
	}
	if w.entries++; w.entries > w.limits.Files*entriesPerFile {
		return fmt.Errorf("the folders hold more than %d entries; plan a smaller folder with --path", w.limits.Files*entriesPerFile)
	}
	name := entry.Name()
	switch wrong := oddName(path, name); {
	case entry.IsDir() && strings.HasPrefix(name, "."):
		return fs.SkipDir
	case wrong != "":
		w.refuse(path, wrong)
	case entry.Type()&fs.ModeSymlink != 0:
		w.refuse(path, "is a symlink")
	case entry.IsDir():
		// A submodule is a repository of its own, which a sync does not follow.
		if _, err := w.root.Lstat(path + "/.git"); err == nil {
			w.refuse(path, "is a submodule")
			return fs.SkipDir
		}
	case !entry.Type().IsRegular():
		w.refuse(path, "is no plain file")
	case !strings.HasPrefix(name, ".") && isRead(name):
		return w.read(path)
	}
	return nil
}

// isRead tells whether a fleet reads files of this name.
func isRead(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".lua":
		return true
	}
	return false
}

func oddName(path, name string) string {
	switch {
	case len(path) > longestPath:
		return "has a path of more than " + strconv.Itoa(longestPath) + " bytes"
	case !utf8.ValidString(name):
		return "has a name that is not UTF-8"
	case strings.ContainsRune(name, '\\'), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "has a name that cannot be printed"
	}
	return ""
}

func (w *folderWalk) refuse(path, why string) {
	if w.refusals++; w.refusals <= toldAtMost {
		w.refused = append(w.refused, strconv.QuoteToASCII(path)+" "+why)
	}
}

func (w *folderWalk) read(path string) error {
	if len(w.files) >= w.limits.Files {
		return fmt.Errorf("there are more than %d files; plan a smaller folder with --path, or put several objects into a file", w.limits.Files)
	}
	file, err := w.root.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, w.limits.Blob+1))
	if err != nil {
		return err
	}
	if int64(len(data)) > w.limits.Blob {
		return fmt.Errorf("%q has more than %d bytes; split it, or keep it out of the folder", path, w.limits.Blob)
	}
	if w.bytes += int64(len(data)); w.bytes > w.limits.Bytes {
		return fmt.Errorf("the files have more than %d bytes together; plan a smaller folder with --path", w.limits.Bytes)
	}
	w.files = append(w.files, tree.File{Path: path, Data: data})
	return nil
}

// below gives the folder within another that a fleet's path names.
func below(root, within string) (string, error) {
	if within == "" {
		return root, nil
	}
	clean := path.Clean(within)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("the path %q leads out of the repository", within)
	}
	folder := filepath.Join(root, filepath.FromSlash(clean))
	// A link on the way would lead elsewhere than a sync goes.
	at := root
	for part := range strings.SplitSeq(clean, "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("there is no folder %q in %s", within, root)
		}
		if err != nil {
			return "", err
		}
		if !info.IsDir() {
			return "", fmt.Errorf("%q in %s is no folder", within, root)
		}
	}
	return folder, nil
}
