package source

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"
)

// packed is a pack that is written by hand, so that it can lie.
type packed struct {
	b bytes.Buffer
	n uint32
	z *zlib.Writer
}

func newPacked() *packed {
	p := &packed{z: zlib.NewWriter(io.Discard)}
	p.b.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x00")
	return p
}

// add an object that says it has so many bytes, and give its offset.
func (p *packed) add(typ plumbing.ObjectType, says int64, before []byte, content io.Reader) int {
	at := p.b.Len()
	c := byte(typ)<<4 | byte(says&15)
	for says >>= 4; says > 0; says >>= 7 {
		p.b.WriteByte(c | 0x80)
		c = byte(says & 0x7f)
	}
	p.b.WriteByte(c)
	p.b.Write(before)
	p.z.Reset(&p.b)
	_, _ = io.Copy(p.z, content)
	_ = p.z.Close()
	p.n++
	return at
}

func (p *packed) object(typ plumbing.ObjectType, content string) (plumbing.Hash, int) {
	at := p.add(typ, int64(len(content)), nil, strings.NewReader(content))
	return plumbing.ComputeHash(typ, []byte(content)), at
}

// commit whose only file is a blob.
func (p *packed) commit(blob plumbing.Hash) plumbing.Hash {
	tree, _ := p.object(plumbing.TreeObject, "100644 a.yaml\x00"+string(blob[:]))
	c, _ := p.object(plumbing.CommitObject, "tree "+tree.String()+"\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx\n")
	return c
}

// ofsDelta upon what is at an offset.
func (p *packed) ofsDelta(base int, delta []byte) int {
	back := uint64(p.b.Len() - base)
	enc := []byte{byte(back & 0x7f)}
	for back >>= 7; back > 0; back >>= 7 {
		back--
		enc = append([]byte{byte(back&0x7f) | 0x80}, enc...)
	}
	return p.add(plumbing.OFSDeltaObject, int64(len(delta)), enc, bytes.NewReader(delta))
}

func (p *packed) refDelta(base plumbing.Hash, delta []byte) int {
	return p.add(plumbing.REFDeltaObject, int64(len(delta)), base[:], bytes.NewReader(delta))
}

func (p *packed) bytes() []byte {
	out := bytes.Clone(p.b.Bytes())
	binary.BigEndian.PutUint32(out[8:], p.n)
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}

func uvarint(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// doubling is a delta that puts its base twice into its result, and some bytes.
func doubling(base int, more string) []byte {
	d := append(uvarint(uint64(base)), uvarint(uint64(2*base+len(more)))...)
	for range 2 {
		d = append(d, 0x80|0x70, byte(base), byte(base>>8), byte(base>>16))
	}
	if more == "" {
		return d
	}
	return append(append(d, byte(len(more))), more...)
}

// replied frames a pack as a server sends it.
func replied(pack []byte) []byte {
	var b bytes.Buffer
	b.WriteString("00000008NAK\n")
	for len(pack) > 0 {
		n := min(len(pack), 65515)
		fmt.Fprintf(&b, "%04x\x01", n+5)
		b.Write(pack[:n])
		pack = pack[n:]
	}
	b.WriteString("0000")
	return b.Bytes()
}

// readBack takes a reply apart as Fetch does.
func readBack(ctx context.Context, reply io.Reader, commit plumbing.Hash, l Limits) (map[string]string, error) {
	l = l.orDefault()
	raw, err := readReply(ctx, reply, l)
	if err != nil {
		return nil, err
	}
	objs, err := openPack(ctx, raw, l)
	if err != nil {
		return nil, err
	}
	text, err := objs.get(commit, plumbing.CommitObject)
	if err != nil {
		return nil, err
	}
	_, root, err := parseCommit(text)
	if err != nil {
		return nil, err
	}
	files, err := readFiles(ctx, objs, root, "", l)
	out := map[string]string{}
	for _, f := range files {
		out[f.Path] = string(f.Data)
	}
	return out, err
}

func TestDeltasUponNamesAndOffsets(t *testing.T) {
	p := newPacked()
	base := strings.Repeat("a: b\n", 10)
	baseHash := plumbing.ComputeHash(plumbing.BlobObject, []byte(base))
	second := base + base + "c"
	third := second + second + "d"
	p.refDelta(plumbing.ComputeHash(plumbing.BlobObject, []byte(second)), doubling(len(second), "d")) // before what it is upon
	_, at := p.object(plumbing.BlobObject, base)
	_, _ = p.object(plumbing.BlobObject, base) // twice
	p.ofsDelta(at, doubling(len(base), "c"))
	commit := p.commit(plumbing.ComputeHash(plumbing.BlobObject, []byte(third)))
	files, err := readBack(t.Context(), bytes.NewReader(replied(p.bytes())), commit, Limits{})
	if err != nil || files["a.yaml"] != third {
		t.Errorf("got %q, %v; base %s", files, err, baseHash)
	}
}

func TestWhatLiesIsCorrupt(t *testing.T) {
	blob := plumbing.ComputeHash(plumbing.BlobObject, []byte("x"))
	for name, build := range map[string]func(p *packed){
		"more than it says":   func(p *packed) { p.add(plumbing.BlobObject, 10, nil, io.LimitReader(zeros{}, 1<<28)) },
		"less than it says":   func(p *packed) { p.add(plumbing.BlobObject, 10, nil, strings.NewReader("x")) },
		"of no type":          func(p *packed) { p.add(plumbing.ObjectType(5), 1, nil, strings.NewReader("x")) },
		"more than there are": func(p *packed) { p.object(plumbing.BlobObject, "x"); p.n += 7 },
		"upon itself":         func(p *packed) { p.add(plumbing.OFSDeltaObject, 2, []byte{0}, strings.NewReader("xx")) },
		"upon nothing":        func(p *packed) { p.object(plumbing.BlobObject, "x"); p.ofsDelta(p.b.Len()-3, []byte("xx")) },
		"no delta":            func(p *packed) { _, at := p.object(plumbing.BlobObject, "x"); p.ofsDelta(at, []byte("\xff\xff")) },
		"delta of another":    func(p *packed) { _, at := p.object(plumbing.BlobObject, "x"); p.ofsDelta(at, doubling(9, "")) },
		"nothing":             func(*packed) {},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPacked()
			build(p)
			commit := p.commit(blob)
			start := worked(t)
			_, err := readBack(t.Context(), bytes.NewReader(replied(p.bytes())), commit, Limits{})
			if KindOf(err) != Transient || !strings.Contains(err.Error(), "corrupt") {
				t.Errorf("got %v", err)
			}
			if took := worked(t) - start; took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// endless repeats a packet for ever.
type endless struct {
	packet string
	at     int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.packet[e.at:])
	e.at = (e.at + n) % len(e.packet)
	return n, nil
}

func TestBombsAreRefusedInLittleMemoryAndTime(t *testing.T) {
	const mib = 1 << 20
	full := "fff0\x01" + strings.Repeat("P", 0xfff0-5)
	var commit plumbing.Hash
	reply := func(build func(p *packed)) io.Reader {
		p := newPacked()
		build(p)
		blob, _ := p.object(plumbing.BlobObject, "x")
		commit = p.commit(blob)
		return bytes.NewReader(replied(p.bytes()))
	}
	for name, tc := range map[string]struct {
		reply io.Reader
		word  string
	}{
		"one huge object": {reply(func(p *packed) { p.add(plumbing.BlobObject, 1<<40, nil, strings.NewReader("x")) }), "unpacks to more than"},
		"many zeros": {reply(func(p *packed) {
			for range 70 {
				p.add(plumbing.BlobObject, 8*mib, nil, io.LimitReader(zeros{}, 8*mib))
			}
		}), "unpacks to more than"},
		"a huge folder": {reply(func(p *packed) {
			for range 20 {
				p.add(plumbing.TreeObject, 3*mib, nil, io.LimitReader(zeros{}, 3*mib))
			}
		}), "its folders take more than"},
		"deltas that double": {reply(func(p *packed) {
			_, at := p.object(plumbing.BlobObject, strings.Repeat("x", 2*mib-1))
			for range 2000 {
				p.ofsDelta(at, doubling(2*mib-1, ""))
			}
		}), "unpacks to more than"},
		"deltas that are held": {reply(func(p *packed) {
			_, at := p.object(plumbing.BlobObject, strings.Repeat("x", 3*mib))
			same := append(append(uvarint(3*mib), uvarint(3*mib)...), 0x80|0x70, 0, 0, 0x30)
			for range 40 {
				next := p.ofsDelta(at, same)
				p.ofsDelta(at, same)
				at = next
			}
		}), "its deltas take more than"},
		"a delta into the sky": {reply(func(p *packed) {
			_, at := p.object(plumbing.BlobObject, "x")
			p.ofsDelta(at, append(append(uvarint(1), uvarint(1<<50)...), 0x91, 0, 1))
		}), ""}, // which nobody wants, so that nobody looks
		"a pack without end":     {io.MultiReader(strings.NewReader("0008NAK\n0011\x01PACK\x00\x00\x00\x02\x00\x00\x00\x01"), &endless{packet: full}), "the pack has more than 64 MiB"},
		"progress without end":   {io.MultiReader(strings.NewReader("0008NAK\n"), &endless{packet: "0009\x02work"}), "the pack has more than 64 MiB"},
		"shallows without end":   {&endless{packet: "0035shallow 1111111111111111111111111111111111111111\n"}, "the pack has more than 64 MiB"},
		"four billion objects":   {strings.NewReader("0008NAK\n0011\x01PACK\x00\x00\x00\x02\xff\xff\xff\xff0000"), "4294967295 objects, which is more than 200000"},
		"no pack but much of it": {io.MultiReader(strings.NewReader("0008NAK\n"), &endless{packet: full}), "it is no pack"},
	} {
		t.Run(name, func(t *testing.T) {
			start := worked(t)
			peak := peakHeap(func() {
				_, err := readBack(t.Context(), tc.reply, commit, Limits{})
				if (err == nil) != (tc.word == "") || err != nil && !strings.Contains(err.Error(), tc.word) {
					t.Errorf("got %v, want %q", err, tc.word)
				}
			})
			took := worked(t) - start
			t.Logf("%s, %d MiB", took.Round(time.Millisecond), peak>>20)
			if took > 5*time.Second || peak > 256<<20 {
				t.Errorf("took %s and %d MiB", took, peak>>20)
			}
		})
	}
}

// worked is the processor's time that went into this process: what others do on the machine is not in it.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakHeap of a call, over what was there before.
func peakHeap(call func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapInuse
	var peak atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		var m runtime.MemStats
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapInuse))
			}
		}
	}()
	call()
	close(done)
	<-ended
	return max(peak.Load(), before) - before
}

func TestALongChainOfDeltasIsRead(t *testing.T) {
	p := newPacked()
	text := "a: b\n"
	_, at := p.object(plumbing.BlobObject, text)
	for range 5000 { // each puts one byte after all that is before
		d := append(uvarint(uint64(len(text))), uvarint(uint64(len(text)+1))...)
		d = append(d, 0x80|0x70, byte(len(text)), byte(len(text)>>8), byte(len(text)>>16), 1, '#')
		at, text = p.ofsDelta(at, d), text+"#"
	}
	commit := p.commit(plumbing.ComputeHash(plumbing.BlobObject, []byte(text)))
	files, err := readBack(t.Context(), bytes.NewReader(replied(p.bytes())), commit, Limits{})
	if err != nil || files["a.yaml"] != text {
		t.Errorf("got %d bytes, %v", len(files["a.yaml"]), err)
	}
}

func TestReadingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := readBack(ctx, io.MultiReader(strings.NewReader("0008NAK\n"), &endless{packet: "0009\x02work"}), plumbing.ZeroHash, Limits{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
