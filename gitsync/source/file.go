package source

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// fileRemote reads a repository on our own file system in place, object by object.
type fileRemote struct {
	storage *filesystem.Storage
	limits  Limits
	work    int64 // bytes read so far
}

func reachFile(u *url.URL, l Limits) (remote, error) {
	if u.Host != "" && u.Host != "localhost" {
		return nil, failure(Refused, "write it as file:///srv/fleet.git into spec.url", "a file URL has no host")
	}
	dir := filepath.Clean("/" + u.Path)
	// Which folder that is a person said in the Fleet: see the package's doc.
	if st, err := os.Stat(filepath.Join(dir, ".git")); err == nil && st.IsDir() { //nolint:gosec // meant to be any folder
		dir = filepath.Join(dir, ".git")
	}
	for _, needed := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, needed)); err != nil { //nolint:gosec // meant to be any folder
			return nil, failure(RefNotFound, "check spec.url, and that it is mounted into the controller", "there is no such repository")
		}
	}
	storage := filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(8*cache.MiByte),
		filesystem.Options{KeepDescriptors: true, LargeObjectThreshold: l.Blob * slack})
	return &fileRemote{storage: storage, limits: l}, nil
}

func (r *fileRemote) close() { _ = r.storage.Close() }

func (r *fileRemote) advertise(ctx context.Context) (*advert, error) {
	out := &advert{refs: map[string]plumbing.Hash{}, peeled: map[string]plumbing.Hash{}, caps: capability.NewList()}
	iter, err := r.storage.IterReferences()
	if err != nil {
		return nil, corrupt("%s", brief(err.Error()))
	}
	defer iter.Close()
	var used int64
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		name := ref.Name().String()
		if used += int64(len(name)) + 50; used > r.limits.Advertisement {
			return failure(Refused, "delete refs that nobody needs", "the list of refs has more than %s", size(r.limits.Advertisement))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		out.refs[name] = ref.Hash()
		if ref.Name().IsTag() {
			if to := r.peel(ref.Hash()); to != ref.Hash() {
				out.peeled[name] = to
			}
		}
		return nil
	})
	if err != nil {
		return nil, sorted(err)
	}
	if len(out.refs) == 0 {
		return nil, empty()
	}
	return out, nil
}

// peel an annotated tag, and tags of tags.
func (r *fileRemote) peel(h plumbing.Hash) plumbing.Hash {
	for range 8 {
		raw, err := r.read(h, plumbing.TagObject)
		if err != nil {
			return h
		}
		first, _, _ := strings.Cut(string(raw), "\n")
		name, ok := strings.CutPrefix(first, "object ")
		if !ok || !plumbing.IsHash(name) {
			return h
		}
		h = plumbing.NewHash(name)
	}
	return h
}

func (r *fileRemote) objects(context.Context, *advert, plumbing.Hash) (objects, error) { return r, nil }

func (r *fileRemote) get(h plumbing.Hash, typ plumbing.ObjectType) ([]byte, error) {
	raw, err := r.read(h, typ)
	if !errors.Is(err, plumbing.ErrObjectNotFound) {
		return raw, err
	}
	for _, other := range []plumbing.ObjectType{plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject} {
		if _, err := r.storage.EncodedObject(other, h); err == nil {
			return nil, failure(Refused, "follow a ref that leads to a commit", "%s is a %s and not a %s", h, other, typ)
		}
	}
	return nil, failure(RefNotFound, "push it, or write another into spec.ref", "the repository has no %s %s", typ, h)
}

// read one object that is not larger than can be held.
func (r *fileRemote) read(h plumbing.Hash, typ plumbing.ObjectType) ([]byte, error) {
	n, err := r.storage.EncodedObjectSize(h)
	if err != nil {
		return nil, err
	}
	if n > r.limits.Blob*slack {
		return nil, failure(Refused, "serve the fleet from a smaller repository of its own", "the %s %s has more than %s", typ, h, size(r.limits.Blob*slack))
	}
	if r.work += n; r.work > r.limits.Inflated {
		return nil, failure(Refused, "serve the fleet from a smaller repository of its own", "what it holds unpacks to more than %s", size(r.limits.Inflated))
	}
	o, err := r.storage.EncodedObject(typ, h)
	if err != nil {
		return nil, err
	}
	content, err := o.Reader()
	if err != nil {
		return nil, corrupt("%s", brief(err.Error()))
	}
	defer func() { _ = content.Close() }()
	raw, err := io.ReadAll(io.LimitReader(content, n+1))
	if err != nil || int64(len(raw)) != n || plumbing.ComputeHash(typ, raw) != h {
		return nil, corrupt("the %s %s is not what its name says", typ, h)
	}
	return raw, nil
}

func (r *fileRemote) blobs(ctx context.Context, want map[plumbing.Hash]bool) (map[plumbing.Hash]blob, error) {
	out := make(map[plumbing.Hash]blob, len(want))
	var sum int64
	for h := range want {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n, err := r.storage.EncodedObjectSize(h)
		switch {
		case errors.Is(err, plumbing.ErrObjectNotFound):
			continue
		case err != nil:
			return nil, corrupt("%s", brief(err.Error()))
		case n > r.limits.Blob:
			out[h] = blob{size: n}
			continue
		}
		raw, err := r.read(h, plumbing.BlobObject)
		if err != nil {
			return nil, sorted(err)
		}
		if sum += n; sum > r.limits.Bytes {
			return nil, tooManyBytes(r.limits)
		}
		out[h] = blob{size: n, data: raw}
	}
	return out, nil
}
