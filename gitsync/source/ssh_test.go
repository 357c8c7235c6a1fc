package source_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/test/gitserver"
)

// sshWorld serves the repository over ssh too, to one key.
type sshWorld struct {
	*world
	server *gitserver.SSH
	secret map[string][]byte
}

func newSSHWorld(t *testing.T) *sshWorld {
	t.Helper()
	w := newWorld(t)
	private, public, err := gitserver.NewKey("")
	w.must(err)
	server, err := gitserver.StartSSH(w.root, public)
	w.must(err)
	t.Cleanup(func() { _ = server.Close() })
	return &sshWorld{w, server, map[string][]byte{"identity": private, "known_hosts": server.KnownHosts}}
}

func (w *sshWorld) request() source.Request {
	w.t.Helper()
	url := w.server.Repo("fleet.git")
	creds, err := source.CredentialsFrom(w.secret, url)
	w.must(err)
	return source.Request{URL: url, Credentials: creds}
}

func TestARepositoryIsReadOverSSH(t *testing.T) {
	w := newSSHWorld(t)
	hash := w.commit("first", map[string]string{"a.yaml": "a"})
	if c := w.fetch(w.request()); c.Hash != hash || len(c.Files) != 1 {
		t.Errorf("got %+v", c)
	}
	if got := w.server.Commands(); len(got) != 2 || got[0] != "git-upload-pack '"+w.repo.Dir+"'" {
		t.Errorf("got commands %q", got)
	}
	if _, err := (source.Git{}).Resolve(t.Context(), w.request()); err != nil || len(w.server.Commands()) != 1 {
		t.Errorf("an unmoved ref costs more than one command, or fails: %v", err)
	}
}

func TestAKeyWithAPassphrase(t *testing.T) {
	w := newWorld(t)
	w.commit("first", nil)
	private, public, err := gitserver.NewKey(canary)
	w.must(err)
	server, err := gitserver.StartSSH(w.root, public)
	w.must(err)
	defer func() { _ = server.Close() }()
	url := server.Repo("fleet.git")
	secret := map[string][]byte{"identity": private, "known_hosts": server.KnownHosts, "password": []byte(canary + "\n")}
	creds, err := source.CredentialsFrom(secret, url)
	w.must(err)
	w.fetch(source.Request{URL: url, Credentials: creds})

	secret["password"] = []byte("other")
	creds, err = source.CredentialsFrom(secret, url)
	w.must(err)
	w.fails(source.Request{URL: url, Credentials: creds}, source.Auth, "the key password does not open the private key in identity")

	delete(secret, "password")
	_, err = source.CredentialsFrom(secret, url)
	wants(t, err, source.Auth, "the key password is missing")
}

func TestTheServersKeyIsChecked(t *testing.T) {
	w := newSSHWorld(t)
	w.commit("first", nil)
	good := string(w.server.KnownHosts)
	host, key, _ := strings.Cut(strings.TrimSpace(good), " ")
	_, other, err := gitserver.NewKey("")
	w.must(err)
	hashed := knownhosts.HashHostname(host)
	for name, tc := range map[string]struct{ file, word string }{
		"plain":               {good, ""},
		"hashed":              {hashed + " " + key + "\n", ""},
		"pattern":             {"other.example.org,[127.0.*]:* " + key + " a comment\n", ""},
		"among others":        {"# a comment\n\nother.example.org " + other + "\n" + host + " " + other + "\n" + good, ""},
		"another key":         {host + " " + other + "\n", "somebody may be in between"},
		"another host":        {"other.example.org " + key + "\n", "has no line for " + host},
		"another port":        {"127.0.0.1 " + key + "\n", "has no line for " + host},
		"not this host":       {"*,!" + host + " " + key + "\n", "has no line for " + host},
		"hashed other":        {knownhosts.HashHostname("other.example.org") + " " + key + "\n", "has no line for " + host},
		"revoked":             {good + "@revoked * " + key + "\n", "is revoked"},
		"certificate":         {"@cert-authority * " + key + "\n", "only a @cert-authority"},
		"no known_hosts file": {"nonsense of three words\n", "none of known_hosts"},
	} {
		t.Run(name, func(t *testing.T) {
			w.secret["known_hosts"] = []byte(tc.file)
			_, err := w.try(w.request())
			if tc.word == "" {
				wants(t, err, "")
				return
			}
			wants(t, err, source.Auth, tc.word)
			if got := w.server.Commands(); len(got) > 0 && tc.word == "" {
				t.Errorf("a server that is not known was asked for %q", got)
			}
		})
	}
	req := w.request()
	req.Credentials.KnownHosts = nil
	w.fails(req, source.Auth, "the key known_hosts is missing", "ssh-keyscan")
}

func TestSSHThatDoesNotWork(t *testing.T) {
	w := newSSHWorld(t)
	w.commit("first", map[string]string{"a.yaml": strings.Repeat("a: b\n", 1000)})
	good := w.secret["identity"]

	req := w.request()
	req.URL = strings.Replace(req.URL, "fleet.git", "gone.git", 1)
	w.fails(req, source.RefNotFound, "no such repository")
	req.URL = strings.Replace(req.URL, w.root, "/elsewhere", 1)
	w.fails(req, source.RefNotFound, "no such repository")

	other, _, err := gitserver.NewKey("")
	w.must(err)
	w.secret["identity"] = other
	w.fails(w.request(), source.Auth, "does not take the key identity (SHA256:", `user "git"`)
	w.secret["identity"] = good

	w.server.CutAfter(20)
	w.fails(w.request(), source.Transient)
	w.server.CutAfter(600)
	w.fails(w.request(), source.Transient, "in the middle of")
	w.server.CutAfter(0)
	w.fetch(w.request())

	old, err := w.repo.Head("main")
	w.must(err)
	w.commit("second", nil)
	req = w.request()
	req.Ref.Commit = old
	w.fails(req, source.RefNotFound, "has no commit "+old)

	w.must(w.repo.Empty())
	w.fails(w.request(), source.Empty)
}

func TestAnSSHServerThatSaysNothing(t *testing.T) {
	w := newSSHWorld(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer func() { _ = silent.Close() }()
	req := w.request()
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	req.URL = "ssh://" + silent.Addr().String() + "/fleet.git"
	key, err := ssh.ParsePrivateKey(w.secret["identity"])
	w.must(err)
	req.Credentials.KnownHosts = []byte("[127.0.0.1]:" + port + " " + string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = source.Git{}.Resolve(ctx, req)
	wants(t, err, source.Transient, "longer than allowed")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want it to be the context's end", err)
	}
}

func TestTheTimeAllowedEndsAPackOverSSH(t *testing.T) {
	w := newSSHWorld(t)
	w.commit("first", map[string]string{"big.bin": noise(1 << 20), "a.yaml": "a"})
	w.server.StallAfter(64 << 10)
	head, err := source.Git{}.Resolve(t.Context(), w.request())
	w.must(err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = source.Git{}.Fetch(ctx, w.request(), head)
	wants(t, err, source.Transient, "longer than allowed")
}
