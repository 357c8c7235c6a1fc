package source

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"stargate.io/stargate/api/v1alpha1"
)

// little is so little that a fuzzer cannot make a test slow.
var little = Limits{Advertisement: 1 << 16, Packed: 1 << 16, Inflated: 1 << 20, Objects: 100, Blob: 1 << 14, Files: 50, Bytes: 1 << 18}

func FuzzAllowedSigners(f *testing.F) {
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKmN0jDV7MTKuyeFQNBpJiIL/gGuLDkpa5J2wNBVTIPk"
	f.Add("alice@example.org " + key)
	f.Add(key + " alice")
	f.Add(`a,b namespaces="git",valid-after="20260101",valid-before="20270101Z" ` + key + "\n# c\n\nx")
	f.Fuzz(func(t *testing.T, text string) {
		signers, wrong := parseAllowedSigners(text)
		if len(signers)+len(wrong) > strings.Count(text, "\n")+1 {
			t.Errorf("got %d signers and %d wrong lines of %q", len(signers), len(wrong), text)
		}
		for _, s := range signers {
			if s.key == nil {
				t.Errorf("a signer without a key of %q", text)
			}
		}
	})
}

func FuzzReply(f *testing.F) {
	p := newPacked()
	blob, at := p.object(plumbing.BlobObject, "a: b\n")
	p.ofsDelta(at, doubling(5, "c"))
	p.refDelta(blob, doubling(5, "d"))
	commit := p.commit(blob)
	f.Add(replied(p.bytes()))
	f.Add([]byte("0035shallow 1111111111111111111111111111111111111111\n00000008NAK\n0006\x03x"))
	f.Add([]byte("0015ERR not our ref x"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		files, err := readBack(t.Context(), bytes.NewReader(reply), commit, little)
		if err != nil && len(files) > 0 {
			t.Errorf("got files and %v", err)
		}
	})
}

// FuzzPack mends the checksum, so that what is behind it is reached.
func FuzzPack(f *testing.F) {
	p := newPacked()
	blob, at := p.object(plumbing.BlobObject, "a: b\n")
	p.ofsDelta(at, doubling(5, "c"))
	p.refDelta(blob, doubling(5, "d"))
	commit := p.commit(blob)
	f.Add(p.b.Bytes()[12:], p.n)
	f.Fuzz(func(t *testing.T, body []byte, n uint32) {
		q := &packed{}
		q.b.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x00")
		q.b.Write(body)
		q.n = n
		start := time.Now()
		_, _ = readBack(t.Context(), bytes.NewReader(replied(q.bytes())), commit, little)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func FuzzAdvert(f *testing.F) {
	hash := strings.Repeat("1", 40)
	f.Add([]byte("001e# service=git-upload-pack\n0000" + "0050" + hash + " refs/heads/main\x00side-band-64k shallow\n0000"))
	f.Add([]byte("0000"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		seen, err := readAdvert(bytes.NewReader(text), little.Advertisement)
		if err != nil {
			return
		}
		for _, ref := range []v1alpha1.GitRef{{}, {Tag: "v1"}, {Semver: ">=0"}, {Commit: hash}} {
			if head, err := seen.head(ref); err == nil {
				_, _ = wants(seen, plumbing.NewHash(head.Commit))
			}
		}
	})
}

func FuzzCommit(f *testing.F) {
	f.Add([]byte("tree " + strings.Repeat("1", 40) + "\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\ngpgsig -----BEGIN SSH SIGNATURE-----\n x\n\nx\n"))
	keys := &Verify{Keys: map[string][]byte{"a": []byte("a ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKmN0jDV7MTKuyeFQNBpJiIL/gGuLDkpa5J2wNBVTIPk")}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _, _ = parseCommit(raw)
		if by, _ := keys.judge(raw); by != "" {
			t.Errorf("%q is signed by %q", raw, by)
		}
	})
}

func FuzzKnownHosts(f *testing.F) {
	f.Add([]byte("[h]:22,*.x,!y ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKmN0jDV7MTKuyeFQNBpJiIL/gGuLDkpa5J2wNBVTIPk"), "h")
	f.Fuzz(func(t *testing.T, file []byte, host string) {
		if k, err := findHost(file, host, "22"); err == nil && len(k.keys) == 0 {
			t.Errorf("no key and no error of %q", file)
		}
	})
}
