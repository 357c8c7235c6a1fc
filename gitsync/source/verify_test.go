package source_test

import (
	"crypto"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/test/gitserver"
)

// signed commits something and reads it back with these keys.
func (w *world) signed(signer gitserver.Signer, at time.Time, keys ...string) *source.Commit {
	w.t.Helper()
	w.commit("signed", nil, gitserver.CommitOptions{Signer: signer, Author: gitserver.Author{Name: "Ann", Email: "ann@example.org", At: at}})
	return w.verified(keys...)
}

func (w *world) verified(keys ...string) *source.Commit {
	w.t.Helper()
	req := w.request()
	req.Verify = &source.Verify{Keys: map[string][]byte{}}
	for i, key := range keys {
		req.Verify.Keys[string(rune('a'+i))] = []byte(key)
	}
	return w.fetch(req)
}

func judged(t *testing.T, c *source.Commit, signedBy, problem string) {
	t.Helper()
	if c.SignedBy != signedBy {
		t.Errorf("got signed by %q (%s), want %q", c.SignedBy, c.SignatureProblem, signedBy)
	}
	if (problem == "") != (c.SignatureProblem == "") || !strings.Contains(c.SignatureProblem, problem) {
		t.Errorf("got problem %q, want %q", c.SignatureProblem, problem)
	}
}

func TestGPGSignatures(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	key, err := gitserver.NewGPG("Alice", "alice@example.org", now.Add(-time.Hour), 0)
	w.must(err)
	other, err := gitserver.NewGPG("Mallory", "alice@example.org", now.Add(-time.Hour), 0)
	w.must(err)
	expired, err := gitserver.NewGPG("Old", "old@example.org", now.Add(-48*time.Hour), 24*time.Hour)
	w.must(err)
	alice := "Alice <alice@example.org> gpg:" + key.Fingerprint
	good := key.Signer(crypto.SHA512)

	judged(t, w.signed(good, now, key.Public), alice, "")
	judged(t, w.signed(good, now, other.Public, key.Public), alice, "")
	judged(t, w.signed(good, now, other.Public+"\n"+key.Public), alice, "") // two blocks in one value
	judged(t, w.signed(good, now, other.Public), "", "none of those that spec.verify.keysRef names ("+key.Fingerprint[24:]+")")
	judged(t, w.signed(good, now), "", "none of those")
	judged(t, w.signed(other.Signer(crypto.SHA512), now, key.Public), "", "none of those")
	judged(t, w.signed(nil, now, key.Public), "", "the commit is not signed")
	judged(t, w.signed(expired.Signer(crypto.SHA256), now, expired.Public), "", "does not count any more")
	judged(t, w.signed(good, now, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnonsense"), "", "cannot all be read: a (")
	judged(t, w.signed(good, now, strings.ReplaceAll(key.Public, "PUBLIC", "PRIVATE")), "", "not a public key")
	req := w.request()
	if c := w.fetch(req); c.SignedBy != "" || c.SignatureProblem != "" {
		t.Errorf("got %+v although nobody asked", c)
	}
}

func TestSSHSignatures(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	private, public, err := gitserver.NewKey("")
	w.must(err)
	_, other, err := gitserver.NewKey("")
	w.must(err)
	good := gitserver.SSHSigner(private, "git")
	alice := "alice@example.org ssh:" + fingerprint(t, public)
	end := now.Add(24 * time.Hour).UTC().Format("20060102")
	past := now.Add(-24 * time.Hour).UTC().Format("20060102150405Z")
	for name, tc := range map[string]struct{ keys, signedBy, problem string }{
		"allowed signer":    {"alice@example.org " + public, alice, ""},
		"with a comment":    {"# who may\n\nalice@example.org " + public + " her laptop\n", alice, ""},
		"authorized key":    {public + " alice@example.org", alice, ""},
		"nameless key":      {public, "ssh:" + fingerprint(t, public), ""},
		"namespace":         {`alice@example.org namespaces="file,git" ` + public, alice, ""},
		"pattern":           {`"alice@example.org" namespaces="g*" ` + public, alice, ""},
		"second line":       {"bob " + other + "\nalice@example.org " + public, alice, ""},
		"within its time":   {`alice@example.org valid-after="` + past + `",valid-before="` + end + `" ` + public, alice, ""},
		"not yet":           {`alice@example.org valid-after="` + end + `" ` + public, "", "older than that key"},
		"no more":           {`alice@example.org valid-before="` + past + `" ` + public, "", "younger than that key's end"},
		"another namespace": {`alice@example.org namespaces="file" ` + public, "", "may not sign for git"},
		"another key":       {"alice@example.org " + other, "", "is none of those that spec.verify.keysRef names (SHA256:"},
		"a CA":              {"alice@example.org cert-authority " + public, "", "line 1 (certificate authorities are not read)"},
		"an unknown option": {"alice@example.org not-on-sundays " + public, "", `the option "not-on-sundays" is not known`},
		"a bad time":        {`alice@example.org valid-after="soon" ` + public, "", `"soon" is no time`},
		"a bad line":        {"nonsense\nalice@example.org " + public, alice, ""},
		"nothing":           {"", "", "none of those"},
	} {
		t.Run(name, func(t *testing.T) { judged(t, w.signed(good, now, tc.keys), tc.signedBy, tc.problem) })
	}
	judged(t, w.signed(gitserver.SSHSigner(private, "file"), now, public), "", "does not fit its content")
	judged(t, w.signed(func([]byte) (string, error) { return "-----BEGIN SIGNED MESSAGE-----\nx", nil }, now, public), "", "not read; sign it with GPG or SSH")
	judged(t, w.signed(func([]byte) (string, error) { return "-----BEGIN SSH SIGNATURE-----\nx", nil }, now, public), "", "cannot be read")
	judged(t, w.signed(func([]byte) (string, error) { return "-----BEGIN PGP SIGNATURE-----\nx", nil }, now, public), "", "cannot be read")
}

func TestWhatWasChangedAfterItWasSignedCountsForNobody(t *testing.T) {
	w := newWorld(t)
	private, public, err := gitserver.NewKey("")
	w.must(err)
	gpg, err := gitserver.NewGPG("Alice", "alice@example.org", time.Now().Add(-time.Hour), 0)
	w.must(err)
	for name, signer := range map[string]gitserver.Signer{"ssh": gitserver.SSHSigner(private, "git"), "gpg": gpg.Signer(crypto.SHA256)} {
		t.Run(name, func(t *testing.T) {
			c := w.signed(signer, time.Now(), public, gpg.Public)
			if c.SignedBy == "" {
				t.Fatal(c.SignatureProblem)
			}
			raw, err := w.repo.Git("cat-file", "commit", c.Hash)
			w.must(err)
			raw += "\n"
			tampered := map[string]string{
				"message": strings.Replace(raw, "\n\nsigned", "\n\nsigned and more", 1),
				"author":  strings.Replace(raw, "author Ann", "author Bob", 1),
				"header":  strings.Replace(raw, "\n\nsigned", "\nx-header: y\n\nsigned", 1),
			}
			for what, text := range tampered {
				if text == raw {
					t.Fatalf("%s was not changed", what)
				}
				hash, err := w.repo.WriteCommit(text)
				w.must(err)
				w.must(w.repo.SetRef("refs/heads/main", hash))
				judged(t, w.verified(public, gpg.Public), "", "does not fit its content")
			}
			_, signature, _ := strings.Cut(raw, "gpgsig ")
			signature, _, _ = strings.Cut(signature, "\n\n")
			twice, err := w.repo.WriteCommit(gitserver.WithSignature(raw, strings.ReplaceAll(signature, "\n ", "\n")))
			w.must(err)
			w.must(w.repo.SetRef("refs/heads/main", twice))
			judged(t, w.verified(public, gpg.Public), "", "two signatures")
		})
	}
}

func TestTheSignatureOfATagDoesNotCount(t *testing.T) {
	w := newWorld(t)
	_, public, err := gitserver.NewKey("")
	w.must(err)
	hash := w.commit("unsigned", nil)
	w.must(w.repo.Tag("v1.0.0", hash, "annotated"))
	req := w.request()
	req.Ref.Tag = "v1.0.0"
	req.Verify = &source.Verify{Keys: map[string][]byte{"keys": []byte(public)}}
	judged(t, w.fetch(req), "", "the commit is not signed")
}

func TestOddCommits(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", nil)
	tree, err := w.repo.Git("rev-parse", first+"^{tree}")
	w.must(err)
	ok := "author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n"
	for name, tc := range map[string]struct{ raw, word string }{
		"two authors":  {"tree " + tree + "\nauthor B <b@b> 1 +0000\n" + ok + "\nx\n", `two headers "author"`},
		"two trees":    {"tree " + tree + "\ntree " + tree + "\n" + ok + "\nx\n", `two headers "tree"`},
		"no committer": {"tree " + tree + "\nauthor A <a@b> 1 +0000\n\nx\n", "lacks a tree, an author or a committer"},
	} {
		t.Run(name, func(t *testing.T) {
			hash, err := w.repo.WriteCommit(tc.raw)
			w.must(err)
			w.must(w.repo.SetRef("refs/heads/main", hash))
			req := w.request()
			req.URL = "file://" + w.repo.Dir // git's own server would not serve it
			w.fails(req, source.Refused, tc.word)
		})
	}
	hash, err := w.repo.WriteCommit("tree " + tree + "\n" + ok + "\n\n  odd\x07 subject \nmore\n")
	w.must(err)
	w.must(w.repo.SetRef("refs/heads/main", hash))
	if c := w.fetch(w.request()); c.Subject != "odd subject" || !c.When.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("got %+v", c)
	}
}
