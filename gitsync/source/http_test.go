package source_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/source"
	"stargate.io/stargate/test/gitserver"
)

func TestABranchIsRead(t *testing.T) {
	w := newWorld(t)
	hash := w.commit("web to 2.1.0", map[string]string{
		"clusters/a/fleet.yaml": "one: 1\n", "clusters/a/hooks/x.lua": "return 1", "clusters/a/README.md": "no",
		"clusters/b.yml": "two: 2\n", ".github/workflows/x.yaml": "no: no\n", ".gitlab-ci.yml": "no: no\n",
	})
	req := w.request()
	head, err := source.Git{}.Resolve(t.Context(), req)
	w.must(err)
	if head.Revision != "main@sha1:"+hash || head.Commit != hash || head.RefName != "refs/heads/main" {
		t.Errorf("got head %+v", head)
	}
	c, err := source.Git{}.Fetch(t.Context(), req, head)
	w.must(err)
	if c.Subject != "web to 2.1.0" || c.Author != "Ann Author <ann@example.org>" || c.Hash != hash || c.When.IsZero() {
		t.Errorf("got commit %+v", c)
	}
	same(t, paths(c), "clusters/a/fleet.yaml", "clusters/a/hooks/x.lua", "clusters/b.yml")
	if got := w.http.Requests(); len(got) != 2 || got[0].Method != "GET" || got[1].Method != "POST" {
		t.Errorf("got requests %v, want one GET and one POST", got)
	}
	req.Path = "clusters/a"
	if c = w.fetch(req); string(c.Files[0].Data) != "one: 1\n" {
		t.Errorf("got %q", c.Files[0].Data)
	}
	same(t, paths(c), "fleet.yaml", "hooks/x.lua")
}

func TestTheZeroRefIsMain(t *testing.T) {
	w := newWorld(t)
	hash := w.commit("first", nil)
	req := w.request()
	req.Ref = v1alpha1.GitRef{}
	if c := w.fetch(req); c.Hash != hash {
		t.Errorf("got %s, want %s", c.Hash, hash)
	}
}

func TestHistoryIsNotFetched(t *testing.T) {
	w := newWorld(t)
	noise := strings.Repeat("0123456789abcdef", 1<<12)
	for i := range 5 {
		w.commit("more", map[string]string{"big.txt": fmt.Sprint(i) + noise, "a.yaml": fmt.Sprint("a: ", i, "\n")})
	}
	req := w.request()
	req.Limits.Objects = 3 // one commit, one folder, two files less the one too many
	w.fails(req, source.Refused, "4 objects, which is more than 3")
	req.Limits.Objects = 4
	w.fetch(req)
}

const canary = "c4n4ry-s3cret"

func TestCredentialsOverHTTP(t *testing.T) {
	basic := gitserver.Options{Username: "git", Password: canary, TLS: true}
	bearer := gitserver.Options{BearerToken: canary, TLS: true}
	for name, tc := range map[string]struct {
		server gitserver.Options
		secret map[string]string
		kind   source.Kind
		word   string
	}{
		"basic":          {basic, map[string]string{"username": "git", "password": canary + "\n"}, "", ""},
		"bearer":         {bearer, map[string]string{"bearerToken": canary}, "", ""},
		"wrong password": {basic, map[string]string{"username": "git", "password": canary + "x"}, source.Auth, "does not take the credentials"},
		"wrong token":    {bearer, map[string]string{"bearerToken": canary + "x"}, source.Auth, "does not take the credentials"},
		"none":           {basic, map[string]string{}, source.Auth, "asks for credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.server)
			w.commit("first", nil)
			secret := map[string][]byte{"ca.crt": w.http.CA}
			for k, v := range tc.secret {
				secret[k] = []byte(v)
			}
			req := w.request()
			var err error
			req.Credentials, err = source.CredentialsFrom(secret, req.URL)
			w.must(err)
			_, err = w.try(req)
			wants(t, err, tc.kind, tc.word)
			if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), canary) {
				t.Errorf("a secret is told: %v", err)
			}
		})
	}
}

func TestTheServersCertificateIsChecked(t *testing.T) {
	w := newWorld(t, gitserver.Options{TLS: true})
	w.commit("first", nil)
	w.fails(w.request(), source.Auth, "certificate is not to be trusted", "ca.crt")
	other := newWorld(t, gitserver.Options{TLS: true})
	w.creds.CA = other.http.CA
	w.fails(w.request(), source.Auth, "certificate is not to be trusted")
	w.creds.CA = w.http.CA
	w.fetch(w.request())
}

func TestCredentialsGoNowhereElse(t *testing.T) {
	elsewhere := make(chan string, 10)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere <- r.URL.Path + " " + r.Header.Get("Authorization")
	}))
	defer thief.Close()
	for name, onlyPack := range map[string]bool{"refs": false, "pack": true} {
		for _, creds := range []source.Credentials{{Username: "git", Password: canary}, {BearerToken: canary}} {
			t.Run(name, func(t *testing.T) {
				o := gitserver.Options{Username: creds.Username, Password: creds.Password, BearerToken: creds.BearerToken}
				w := newWorld(t, o)
				w.commit("first", nil)
				w.creds = creds
				w.fetch(w.request())
				w.http.Break(gitserver.Fault{Redirect: thief.URL, OnlyPack: onlyPack})
				err := w.fails(w.request(), source.Refused, "redirects elsewhere", "write it into spec.url")
				if strings.Contains(err.Error(), canary) {
					t.Errorf("a secret is told: %v", err)
				}
			})
		}
	}
	select {
	case got := <-elsewhere:
		t.Errorf("somebody else was asked: %s", got)
	default:
	}
}

func TestARepositoryMayMoveWithinItsServer(t *testing.T) {
	w := newWorld(t)
	w.commit("first", nil)
	w.http.Move("/old", "/fleet.git")
	req := w.request()
	req.URL = w.http.Repo("old")
	w.fetch(req)
	w.http.Move("/fleet.git", "/old")
	w.fails(req, source.Refused, "the server redirects to")
}

func TestSecretsAreTakenOutOfErrors(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("git:" + canary))
	w := newWorld(t)
	w.commit("first", nil)
	w.creds = source.Credentials{Username: "git", Password: canary}
	for _, said := range []string{canary, "Basic " + secret} {
		w.http.Break(gitserver.Fault{Handler: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			text := "ERR you sent " + said
			_, _ = fmt.Fprintf(rw, "%04x%s", len(text)+4, text)
		}})
		err := w.fails(w.request(), source.Transient, "the server says", "***")
		for _, never := range []string{canary, secret} {
			if strings.Contains(err.Error(), never) {
				t.Errorf("a secret is told: %v", err)
			}
		}
	}
	req := w.request()
	req.URL = "https://git:" + canary + "@127.0.0.1/fleet.git"
	if err := w.fails(req, source.Refused, "holds credentials"); strings.Contains(err.Error(), canary) {
		t.Errorf("a secret is told: %v", err)
	}
}

func TestFaultsOfTheServer(t *testing.T) {
	w := newWorld(t)
	w.commit("first", map[string]string{"a.yaml": strings.Repeat("a: b\n", 1000)})
	html := func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "<html>log in</html>") }
	for name, tc := range map[string]struct {
		fault gitserver.Fault
		kind  source.Kind
		word  string
	}{
		"500":         {gitserver.Fault{Status: 500}, source.Transient, "status 500"},
		"429":         {gitserver.Fault{Status: 429}, source.Transient, "status 429"},
		"403":         {gitserver.Fault{Status: 403}, source.Auth, "forbids"},
		"404":         {gitserver.Fault{Status: 404}, source.RefNotFound, "no such repository"},
		"407":         {gitserver.Fault{Status: 407}, source.Auth, "proxy"},
		"502 on pack": {gitserver.Fault{Status: 502, OnlyPack: true}, source.Transient, "status 502"},
		"cut early":   {gitserver.Fault{CutAfter: 5}, source.Transient, "in the middle of the pack"},
		"cut late":    {gitserver.Fault{CutAfter: 150}, source.Transient, "in the middle of the pack"},
		"a web page":  {gitserver.Fault{Handler: html}, source.Refused, "smart HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			w.http.Break(tc.fault)
			_, err := w.try(w.request())
			wants(t, err, tc.kind, tc.word)
			w.http.Break(gitserver.Fault{})
			w.fetch(w.request())
		})
	}
	w.must(w.http.Close())
	w.fails(w.request(), source.Transient, "connection refused", "it is tried again")
}

func TestASlowServerEndsWithTheTimeAllowed(t *testing.T) {
	w := newWorld(t)
	w.commit("first", map[string]string{"a.yaml": strings.Repeat("a: b\n", 1000)})
	w.http.Break(gitserver.Fault{Pause: 50 * time.Millisecond})
	head, err := source.Git{}.Resolve(t.Context(), w.request())
	w.must(err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = source.Git{}.Fetch(ctx, w.request(), head)
	wants(t, err, source.Transient, "longer than allowed", "spec.timeout")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want it to be the context's end", err)
	}
}
