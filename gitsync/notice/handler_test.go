package notice_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"stargate.io/stargate/gitsync/notice"
)

var secret = []byte("a secret of some length")

// fleets that a test has.
type fleets struct {
	told []string
	fail error
}

func (f *fleets) Fleet(_ context.Context, name string) (notice.Fleet, bool, error) {
	switch name {
	case "prod":
		return notice.Fleet{Secret: secret, Follows: "refs/heads/main"}, true, nil
	case "tags":
		return notice.Fleet{Secret: secret}, true, nil
	case "guessable":
		return notice.Fleet{Secret: []byte("short")}, true, nil
	case "unreadable":
		return notice.Fleet{}, false, errors.New("reading the Secret")
	}
	return notice.Fleet{}, false, nil
}

func (f *fleets) Notice(_ context.Context, name string) error {
	f.told = append(f.told, name)
	return f.fail
}

func mac(body string, key []byte) string {
	sum := hmac.New(sha256.New, key)
	sum.Write([]byte(body))
	return hex.EncodeToString(sum.Sum(nil))
}

type call struct {
	name, method, path, body string
	header                   map[string]string
	code                     int
	told                     bool
}

const push = `{"ref":"refs/heads/main","repository":{"clone_url":"https://elsewhere.example.com/x.git"}}`
const other = `{"ref":"refs/heads/other"}`

func calls() []call {
	github := func(body string) map[string]string {
		return map[string]string{"X-Hub-Signature-256": "sha256=" + mac(body, secret), "X-GitHub-Event": "push"}
	}
	form := "payload=" + url.QueryEscape(other)
	return []call{
		{name: "GitHub", path: "/sync/prod", body: push, header: github(push), code: 202, told: true},
		{name: "another ref", path: "/sync/prod", body: other, header: github(other), code: 202},
		{name: "another ref as a form", path: "/sync/prod", body: form, header: map[string]string{"X-Hub-Signature-256": "sha256=" + mac(form, secret),
			"Content-Type": "application/x-www-form-urlencoded"}, code: 202},
		{name: "any ref where tags are followed", path: "/sync/tags", body: other, header: github(other), code: 202, told: true},
		{name: "ping", path: "/sync/prod", body: "{}", header: map[string]string{"X-Hub-Signature-256": "sha256=" + mac("{}", secret), "X-GitHub-Event": "ping"}, code: 200},
		{name: "GitLab", path: "/sync/prod", body: push, header: map[string]string{"X-Gitlab-Token": string(secret)}, code: 202, told: true},
		{name: "GitLab, wrong", path: "/sync/prod", body: push, header: map[string]string{"X-Gitlab-Token": string(secret) + "x"}, code: 401},
		{name: "Gitea", path: "/sync/prod", body: push, header: map[string]string{"X-Gitea-Signature": mac(push, secret)}, code: 202, told: true},
		{name: "plain, empty", path: "/sync/prod", header: map[string]string{"X-Stargate-Signature": "sha256=" + mac("", secret)}, code: 202, told: true},
		{name: "plain, no JSON", path: "/sync/prod", body: "hello", header: map[string]string{"X-Stargate-Signature": mac("hello", secret)}, code: 202, told: true},
		{name: "wrong signature", path: "/sync/prod", body: push, header: map[string]string{"X-Hub-Signature-256": "sha256=" + mac(push+" ", secret)}, code: 401},
		{name: "wrong before right", path: "/sync/prod", body: push, header: map[string]string{"X-Hub-Signature-256": "sha256=00", "X-Gitlab-Token": string(secret)}, code: 401},
		{name: "no signature", path: "/sync/prod", body: push, code: 401},
		{name: "no such fleet", path: "/sync/none", body: push, header: github(push), code: 401},
		{name: "an empty secret for no fleet", path: "/sync/none", body: push, header: map[string]string{"X-Hub-Signature-256": "sha256=" + mac(push, nil)}, code: 401},
		{name: "a secret of zeros for no fleet", path: "/sync/none", body: push, header: map[string]string{"X-Hub-Signature-256": "sha256=" + mac(push, make([]byte, 16))}, code: 401},
		{name: "a secret that can be guessed", path: "/sync/guessable", body: push, header: map[string]string{"X-Gitlab-Token": "short"}, code: 401},
		{name: "Secret unreadable", path: "/sync/unreadable", body: push, header: github(push), code: 503},
		{name: "GET", method: http.MethodGet, path: "/sync/prod", code: 405},
		{name: "no path", path: "/", code: 404},
		{name: "two names", path: "/sync/prod/x", code: 404},
		{name: "no name of a fleet", path: "/sync/PROD", code: 404},
		{name: "too much", path: "/sync/prod", body: strings.Repeat("x", 1<<20+1), code: 413},
	}
}

func answer(h http.Handler, c call) *httptest.ResponseRecorder {
	if c.method == "" {
		c.method = http.MethodPost
	}
	request := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	for key, value := range c.header {
		request.Header.Set(key, value)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder
}

func TestNotices(t *testing.T) {
	for _, c := range calls() {
		t.Run(c.name, func(t *testing.T) {
			f := &fleets{}
			got := answer(notice.NewHandler(f), c)
			if got.Code != c.code || (len(f.told) > 0) != c.told {
				t.Errorf("got %d %q, told %v", got.Code, got.Body, f.told)
			}
		})
	}
}

// TestNoOracle: who does not know the secret cannot tell which fleets there are.
func TestNoOracle(t *testing.T) {
	h := notice.NewHandler(&fleets{})
	header := map[string]string{"X-Hub-Signature-256": "sha256=" + mac(push, []byte("a guess that is wrong"))}
	right, none := answer(h, call{path: "/sync/prod", body: push, header: header}), answer(h, call{path: "/sync/none", body: push, header: header})
	if right.Code != none.Code || right.Body.String() != none.Body.String() || len(right.Header()) != len(none.Header()) {
		t.Errorf("%d %q %v, but %d %q %v", right.Code, right.Body, right.Header(), none.Code, none.Body, none.Header())
	}
}

// TestTooMany: one fleet's flood is answered cheaply, and keeps no other fleet from being told.
func TestTooMany(t *testing.T) {
	f := &fleets{}
	h := notice.NewHandler(f)
	last := 0
	for range 100 {
		last = answer(h, call{path: "/sync/none", body: push}).Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the hundredth was answered with %d", last)
	}
	if got := answer(h, call{path: "/sync/prod", header: map[string]string{"X-Stargate-Signature": mac("", secret)}}); got.Code != 202 {
		t.Errorf("another fleet's was answered with %d", got.Code)
	}
}

// TestNobodyToTell: whoever sent it is asked to try again.
func TestNobodyToTell(t *testing.T) {
	h := notice.NewHandler(&fleets{fail: errors.New("not the leader")})
	got := answer(h, call{path: "/sync/prod", header: map[string]string{"X-Stargate-Signature": mac("", secret)}})
	if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", got.Code, got.Header())
	}
}

// FuzzNotice: whatever comes, nobody is told anything who did not sign, and nothing panics.
func FuzzNotice(f *testing.F) {
	for _, c := range calls() {
		if len(c.body) < 1000 {
			f.Add(c.path, c.body, c.header["X-Hub-Signature-256"], c.header["X-Gitlab-Token"], "application/json")
		}
	}
	f.Add("/sync/prod", "payload=%zz", "sha256=", "", "application/x-www-form-urlencoded; charset=\"")
	f.Fuzz(func(t *testing.T, path, body, hub, gitlab, kind string) {
		target, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		heard := &fleets{}
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte(body)))
		request.URL = target
		request.Header = http.Header{"X-Hub-Signature-256": {hub}, "X-Gitlab-Token": {gitlab}, "Content-Type": {kind}}
		recorder := httptest.NewRecorder()
		notice.NewHandler(heard).ServeHTTP(recorder, request)
		known := strings.TrimPrefix(hub, "sha256=") == mac(body, secret) || strings.EqualFold(strings.TrimPrefix(hub, "sha256="), mac(body, secret)) ||
			(hub == "" && gitlab == string(secret))
		if len(heard.told) > 0 && !known {
			t.Errorf("told without a signature: %q %q", hub, gitlab)
		}
		if strings.Contains(recorder.Body.String(), string(secret)) {
			t.Errorf("the secret is in the answer")
		}
	})
}
