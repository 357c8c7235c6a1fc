package source

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // git names objects so; what is named is hashed with collision detection below
	"encoding/binary"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// objects of one commit.
type objects interface {
	// get a commit or tree.
	get(h plumbing.Hash, typ plumbing.ObjectType) ([]byte, error)
	// blobs that are wanted: each with its size, and with its data where that is within the cap.
	blobs(ctx context.Context, want map[plumbing.Hash]bool) (map[plumbing.Hash]blob, error)
}

// blob of a file. Its data is missing where it is over the cap.
type blob struct {
	size int64
	data []byte
}

const (
	// maxTrees is how many bytes the commit and all trees may have.
	maxTrees = 32 << 20
	// maxChain is how many bytes may be held while deltas are put upon each other.
	maxChain = 32 << 20
	// slack is how many times a blob's cap another object may have that deltas are put upon.
	slack = 4
)

// entry of a pack.
type entry struct {
	offset, size int64 // size as the header has it: of the delta, for a delta
	typ          plumbing.ObjectType
	hash         plumbing.Hash // of a base: its own; of a REF delta: its base's
	base         int           // of an OFS delta: its base's index
}

// pack in memory. The compressed bytes are kept, and of what is in them only what is asked for.
type pack struct {
	raw     *shelf
	limits  Limits
	scanner *packfile.Scanner
	entries []entry
	byBase  map[int][]int           // OFS deltas by the index of their base
	byRef   map[plumbing.Hash][]int // REF deltas by the name of their base
	work    int64                   // bytes unpacked so far
	kept    map[plumbing.Hash]content
}

// content of an object.
type content struct {
	typ  plumbing.ObjectType
	data []byte
}

// count of objects as the pack's header has it.
func (s *shelf) count() (uint32, error) {
	var head [12]byte
	n, _ := (&view{s: s, limit: s.n}).Read(head[:])
	if n < len(head) || string(head[:4]) != "PACK" || binary.BigEndian.Uint32(head[4:]) != 2 {
		return 0, corrupt("it is no pack")
	}
	return binary.BigEndian.Uint32(head[8:]), nil
}

// openPack checks a pack and finds its commits and trees.
func openPack(ctx context.Context, raw *shelf, l Limits) (*pack, error) {
	if raw.n < 12+sha1.Size {
		return nil, cut("the pack")
	}
	if err := raw.tooMuch(l); err != nil {
		return nil, err
	}
	count, err := raw.count()
	if err != nil {
		return nil, err
	}
	if err := raw.checkSum(); err != nil {
		return nil, err
	}
	p := &pack{
		raw: raw, limits: l, byBase: map[int][]int{}, byRef: map[plumbing.Hash][]int{}, kept: map[plumbing.Hash]content{},
		scanner: packfile.NewScanner(&view{s: raw, limit: raw.n - sha1.Size}),
	}
	if err := p.scan(ctx, int(count)); err != nil {
		return nil, err
	}
	var held int64
	all := func(plumbing.Hash) bool { return true }
	err = p.expand(ctx, false, all, func(h plumbing.Hash, o content, n int64) error {
		if held += n; held > maxTrees {
			return failure(Refused, "serve the fleet from a smaller repository of its own", "its folders take more than %s", size(maxTrees))
		}
		if n > l.Blob*slack {
			return failure(Refused, "put fewer files into one folder", "one of its folders takes more than %s", size(l.Blob*slack))
		}
		p.kept[h] = o
		return nil
	})
	return p, err
}

// checkSum at the end of a pack.
func (s *shelf) checkSum() error {
	sum := sha1.New() //nolint:gosec // the checksum that packs have
	left := s.n - sha1.Size
	for _, b := range s.pieces {
		b = b[:min(int64(len(b)), left)]
		_, _ = sum.Write(b)
		left -= int64(len(b))
	}
	var told [sha1.Size]byte
	for i := range told {
		at := s.n - sha1.Size + int64(i)
		told[i] = s.pieces[at/piece][at%piece]
	}
	if !bytes.Equal(sum.Sum(nil), told[:]) {
		return corrupt("the checksum of the pack differs")
	}
	return nil
}

// scan all entries: what they are, and the names of those that are no deltas.
func (p *pack) scan(ctx context.Context, count int) error {
	if _, _, err := p.scanner.Header(); err != nil {
		return corrupt("%s", brief(err.Error()))
	}
	for i := range count {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		h, err := p.scanner.NextObjectHeader()
		if err != nil {
			return corrupt("%s", brief(err.Error()))
		}
		e := entry{offset: h.Offset, size: h.Length, typ: h.Type}
		if err := p.spend(e.size); err != nil {
			return err
		}
		if err := p.link(i, &e, h); err != nil {
			return err
		}
		hasher := plumbing.NewHasher(h.Type, h.Length)
		n, _, err := p.scanner.NextObject(hasher)
		if err != nil || n != h.Length {
			return corrupt("an object is not as long as it says")
		}
		if !h.Type.IsDelta() {
			e.hash = hasher.Sum()
		}
		p.entries = append(p.entries, e)
	}
	return nil
}

// link a delta to what it is put upon.
func (p *pack) link(i int, e *entry, h *packfile.ObjectHeader) error {
	switch h.Type {
	case plumbing.OFSDeltaObject:
		e.base = sort.Search(len(p.entries), func(k int) bool { return p.entries[k].offset >= h.OffsetReference })
		if e.base == len(p.entries) || p.entries[e.base].offset != h.OffsetReference {
			return corrupt("a delta upon nothing")
		}
		p.byBase[e.base] = append(p.byBase[e.base], i)
	case plumbing.REFDeltaObject:
		e.hash = h.Reference
		p.byRef[e.hash] = append(p.byRef[e.hash], i)
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	default:
		return corrupt("an object of unknown type")
	}
	return nil
}

// spend bytes of unpacking.
func (p *pack) spend(n int64) error {
	if n < 0 || n > p.limits.Inflated || p.work+n > p.limits.Inflated {
		return failure(Refused, "serve the fleet from a smaller repository of its own", "what it holds unpacks to more than %s", size(p.limits.Inflated))
	}
	p.work += n
	return nil
}

// inflate one entry.
func (p *pack) inflate(i int) ([]byte, error) {
	e := p.entries[i]
	if err := p.spend(e.size); err != nil {
		return nil, err
	}
	if _, err := p.scanner.SeekObjectHeader(e.offset); err != nil {
		return nil, corrupt("%s", brief(err.Error()))
	}
	b := bytes.NewBuffer(make([]byte, 0, e.size)) // which scan has seen to be true
	if _, _, err := p.scanner.NextObject(b); err != nil {
		return nil, corrupt("%s", brief(err.Error()))
	}
	return b.Bytes(), nil
}

func (p *pack) get(h plumbing.Hash, typ plumbing.ObjectType) ([]byte, error) {
	o, ok := p.kept[h]
	switch {
	case !ok:
		return nil, p.missing(h, typ)
	case o.typ != typ:
		return nil, failure(Refused, "follow a ref that leads to a commit", "%s is a %s and not a %s", h, o.typ, typ)
	}
	return o.data, nil
}

// missing says why something is not there: a ref may lead to what is no commit at all.
func (p *pack) missing(h plumbing.Hash, typ plumbing.ObjectType) error {
	for _, e := range p.entries {
		if e.hash == h && !e.typ.IsDelta() {
			return failure(Refused, "follow a ref that leads to a commit", "%s is a %s and not a %s", h, e.typ, typ)
		}
	}
	return corrupt("the %s %s is missing", typ, h)
}

func (p *pack) blobs(ctx context.Context, want map[plumbing.Hash]bool) (map[plumbing.Hash]blob, error) {
	found := make(map[plumbing.Hash]blob, len(want))
	var sum int64
	needed := func(h plumbing.Hash) bool { return want[h] }
	err := p.expand(ctx, true, needed, func(h plumbing.Hash, o content, n int64) error {
		if !want[h] {
			return nil
		}
		if _, twice := found[h]; twice {
			return nil
		}
		if n > p.limits.Blob {
			found[h] = blob{size: n}
			return nil
		}
		if sum += n; sum > p.limits.Bytes {
			return tooManyBytes(p.limits)
		}
		found[h] = blob{size: n, data: o.data}
		return nil
	})
	return found, err
}
