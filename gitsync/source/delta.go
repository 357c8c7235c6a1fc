package source

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// visitor is given every object, with its size. What is too large to be held comes without data.
type visitor func(h plumbing.Hash, o content, size int64) error

// frame of the way down a tree of deltas.
type frame struct {
	data     []byte
	children []int // entries that are deltas upon it
}

// expand visits the blobs, or all but blobs, with the deltas upon them. Each delta is put upon its base once;
// what is held at a time is one way from a base down to a leaf, without what is not needed any more.
//
// What nobody needs, by its name, is not even unpacked again unless there are deltas upon it.
func (p *pack) expand(ctx context.Context, blobs bool, needed func(plumbing.Hash) bool, visit visitor) error {
	done := make(map[plumbing.Hash]bool)
	for i, e := range p.entries {
		if e.typ.IsDelta() || (e.typ == plumbing.BlobObject) != blobs {
			continue
		}
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		children := p.upon(i, e.hash, done)
		if len(children) == 0 && !needed(e.hash) {
			continue
		}
		if err := p.expandOne(ctx, i, children, done, visit); err != nil {
			return err
		}
	}
	return nil
}

// expandOne object that is no delta, with the deltas upon it.
func (p *pack) expandOne(ctx context.Context, i int, children []int, done map[plumbing.Hash]bool, visit visitor) error {
	e := p.entries[i]
	if e.size > p.limits.Blob*slack {
		return visit(e.hash, content{typ: e.typ}, e.size)
	}
	data, err := p.inflate(i)
	if err != nil {
		return err
	}
	if err := visit(e.hash, content{e.typ, data}, e.size); err != nil {
		return err
	}
	return p.descend(ctx, e.typ, frame{data, children}, done, visit)
}

// upon lists the deltas upon an object. Those that name it are listed once, however often it is there.
func (p *pack) upon(i int, h plumbing.Hash, done map[plumbing.Hash]bool) []int {
	children := p.byBase[i]
	if named := p.byRef[h]; len(named) > 0 && !done[h] {
		done[h] = true
		children = append(append([]int(nil), children...), named...)
	}
	return children
}

// descend from an object to the deltas upon it, and the deltas upon these.
func (p *pack) descend(ctx context.Context, typ plumbing.ObjectType, from frame, done map[plumbing.Hash]bool, visit visitor) error {
	way, held := []frame{from}, int64(len(from.data))
	for len(way) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		top := &way[len(way)-1]
		if len(top.children) == 0 {
			held -= int64(len(top.data))
			way = way[:len(way)-1]
			continue
		}
		i := top.children[0]
		top.children = top.children[1:]
		base := top.data
		if len(top.children) == 0 { // the last one: its base is not needed after it
			held -= int64(len(base))
			top.data = nil
		}
		data, n, err := p.patch(i, base)
		if err != nil {
			return err
		}
		if n > p.limits.Blob*slack { // too large to be held: what is upon it stays unknown
			continue
		}
		if held += n; held > maxChain {
			return failure(Refused, "repack it: git repack -adf", "its deltas take more than %s to put together", size(maxChain))
		}
		h := plumbing.ComputeHash(typ, data)
		if err := visit(h, content{typ, data}, n); err != nil {
			return err
		}
		way = append(way, frame{data, p.upon(i, h, done)})
	}
	return nil
}

// patch puts a delta upon its base. There is only a size where the result would be too large to be held.
func (p *pack) patch(i int, base []byte) ([]byte, int64, error) {
	if p.entries[i].size > p.limits.Blob*slack {
		return nil, p.entries[i].size, nil
	}
	delta, err := p.inflate(i)
	if err != nil {
		return nil, 0, err
	}
	_, rest, ok := varint(delta)
	n, _, ok2 := varint(rest)
	switch {
	case !ok || !ok2:
		return nil, 0, corrupt("a delta without sizes")
	case n > uint64(p.limits.Blob*slack): //nolint:gosec // a limit is above zero
		return nil, p.limits.Blob*slack + 1, nil
	}
	if err := p.spend(int64(n)); err != nil { //nolint:gosec // below a limit
		return nil, 0, err
	}
	data, err := packfile.PatchDelta(base, delta)
	if err != nil {
		return nil, 0, corrupt("%s", brief(err.Error()))
	}
	return data, int64(len(data)), nil
}

// varint as deltas have it at their beginning.
func varint(b []byte) (uint64, []byte, bool) {
	var v uint64
	for i := 0; i < len(b) && i < 9; i++ {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return v, b[i+1:], true
		}
	}
	return 0, nil, false
}
