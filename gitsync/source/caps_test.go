package source_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"stargate.io/stargate/gitsync/source"
)

// noise that does not compress.
func noise(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func TestEveryCapHolds(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{"big.yaml": noise(100 << 10), "not-read.bin": noise(300 << 10), "far/away.bin": noise(50 << 10)}
	for i := range 20 {
		files[fmt.Sprintf("many/%02d.yaml", i)] = fmt.Sprintf("a: %d\n", i)
	}
	w.commit("first", files)
	for i := range 30 {
		w.must(w.repo.Tag(fmt.Sprintf("tag-with-a-long-name-%03d", i), "refs/heads/main", ""))
	}
	for name, tc := range map[string]struct {
		limits source.Limits
		word   string
		file   bool // holds for a repository that is read in place too
	}{
		"none":           {source.Limits{}, "", true},
		"advertisement":  {source.Limits{Advertisement: 1 << 10}, "the list of refs has more than 1 KiB", true},
		"packed":         {source.Limits{Packed: 64 << 10}, "the pack has more than 64 KiB", false},
		"inflated":       {source.Limits{Inflated: 128 << 10}, "unpacks to more than 128 KiB", false},
		"objects":        {source.Limits{Objects: 10}, "which is more than 10", false},
		"blob":           {source.Limits{Blob: 64 << 10}, `"big.yaml" has more than 64 KiB`, true},
		"files":          {source.Limits{Files: 15}, "more than 15 files", true},
		"bytes":          {source.Limits{Bytes: 64 << 10}, "the files have more than 64 KiB together", true},
		"what is read":   {source.Limits{Blob: 101 << 10, Bytes: 101 << 10}, "", true},
		"entries looked": {source.Limits{Files: 1}, "more than", true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, url := range []string{w.request().URL, "file://" + w.repo.Dir} {
				req := w.request()
				req.URL, req.Limits = url, tc.limits
				word, kind := tc.word, source.Refused
				if word == "" || (strings.HasPrefix(url, "file") && !tc.file) {
					word, kind = "", ""
				}
				_, err := w.try(req)
				wants(t, err, kind, word)
			}
		})
	}
}

func TestReadingStopsAtTheCap(t *testing.T) {
	w := newWorld(t)
	w.commit("first", map[string]string{"big.bin": noise(8 << 20), "a.yaml": "a"})
	req := w.request()
	req.Limits.Packed = 128 << 10
	w.fails(req, source.Refused, "the pack has more than 128 KiB")
}

func TestAFolderThatHoldsItselfManyTimesOver(t *testing.T) {
	w := newWorld(t)
	hash, err := w.repo.GitInput([]byte("a: b\n"), "hash-object", "-w", "--stdin")
	w.must(err)
	kind := "blob"
	for range 12 { // ten to the twelfth files, in twelve folders
		var listing strings.Builder
		mode := map[string]string{"blob": "100644", "tree": "040000"}[kind]
		for i := range 10 {
			suffix := map[string]string{"blob": ".yaml", "tree": ""}[kind]
			fmt.Fprintf(&listing, "%s %s %s\tf%d%s\n", mode, kind, hash, i, suffix)
		}
		hash, err = w.repo.GitInput([]byte(listing.String()), "mktree")
		w.must(err)
		kind = "tree"
	}
	commit, err := w.repo.Git("-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", hash, "-m", "bomb")
	w.must(err)
	w.must(w.repo.SetRef("refs/heads/main", commit))
	w.fails(w.request(), source.Refused, "there are more than 20000 files")
}

func TestWhatIsNoPlainFileIsRefusedByName(t *testing.T) {
	for name, tc := range map[string]struct{ mode, path, content, word string }{
		"symlink":           {"120000", "profiles/link.yaml", "../../../etc/passwd", `"profiles/link.yaml" is a symlink`},
		"symlink elsewhere": {"120000", "README", "x", `"README" is a symlink`},
		"submodule":         {"160000", "vendor/other", strings.Repeat("1", 40), `"vendor/other" is a submodule`},
		"control character": {"100644", "a\x01.yaml", "x", `"a\x01.yaml" has a name that cannot be printed`},
		"line break":        {"100644", "a\nb.yaml", "x", `"a\nb.yaml" has a name that cannot be printed`},
		"turned around":     {"100644", "a\u202eb.yaml", "x", `"a\u202eb.yaml" has a name that cannot be printed`},
		"no UTF-8":          {"100644", "a\xff.yaml", "x", `"a\xff.yaml" has a name that is not UTF-8`},
		"backslash":         {"100644", `a\b.yaml`, "x", `"a\\b.yaml" is no name of a file`},
		"in a folder":       {"100644", "od\x7fd/x.yaml", "x", `"od\x7fd" has a name that cannot be printed`},
		"long path":         {"100644", strings.Repeat("d/", 600) + "x.yaml", "x", "has a path of more than 1024 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.repo.Write(map[string]string{"fine/a.yaml": "a"}))
			w.must(w.repo.Put(tc.mode, tc.path, tc.content))
			w.commit("odd", map[string]string{"b.yaml": "b"})
			w.fails(w.request(), source.Refused, tc.word, "put plain files in their place")
			req := w.request()
			req.Path = "fine" // what is not below the path is nobody's business
			w.fetch(req)
		})
	}
}

func TestOddTreesAreRefused(t *testing.T) {
	w := newWorld(t)
	hash, err := w.repo.GitInput([]byte("a: b\n"), "hash-object", "-w", "--stdin")
	w.must(err)
	raw, err := hex.DecodeString(hash)
	w.must(err)
	folder, err := w.repo.GitInput([]byte("100644 blob "+hash+"\ta.yaml\n"), "mktree")
	w.must(err)
	rawFolder, err := hex.DecodeString(folder)
	w.must(err)
	for name, tc := range map[string]struct{ listing, word string }{
		"up":         {"100644 ..\x00" + string(raw), "is no name of a file"},
		"slash":      {"100644 a/../../b.yaml\x00" + string(raw), "is no name of a file"},
		"twice":      {"100644 a.yaml\x00" + string(raw) + "100644 a.yaml\x00" + string(raw), "is there twice"},
		"a device":   {"060000 a.yaml\x00" + string(raw), "is a submodule"},
		"path of up": {"40000 ..\x00" + string(rawFolder), "is no name of a file"},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := w.repo.GitInput([]byte(tc.listing), "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
			w.must(err)
			commit, err := w.repo.WriteCommit("tree " + tree + "\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nodd\n")
			w.must(err)
			w.must(w.repo.SetRef("refs/heads/main", commit))
			w.fails(w.request(), source.Refused, tc.word)
			req := w.request()
			req.URL = "file://" + w.repo.Dir
			w.fails(req, source.Refused, tc.word)
		})
	}
}

func TestManyRefusalsAreToldAtOnce(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.must(w.repo.Put("120000", fmt.Sprintf("d/link-%02d", i), "x"))
	}
	w.commit("links", nil)
	req := w.request()
	req.Path = "d"
	w.fails(req, source.Refused, `"d/link-00" is a symlink; "d/link-01" is a symlink`, "and 4 more")
}
