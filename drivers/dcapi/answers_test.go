package dcapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi"
)

// canary must never be seen in a message, whatever a site does with it.
const canary = "canary-token-5f1c9"

// fake is a site of which one call is answered by hand.
type fake struct {
	version string
	posts   atomic.Int64
	answer  http.HandlerFunc
}

// ServeHTTP is healthy, says its version, and gives everything else to answer.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		f.posts.Add(1)
	}
	switch {
	case r.URL.Path == "/health":
		say(w, http.StatusOK, `{"status":"ok"}`)
	case r.URL.Path == "/capabilities" && f.version == "v2":
		say(w, http.StatusOK, `{"version":"v2","idempotent":true,"cancel":true,"checksIdentity":true,"reportsApplied":true,"actions":["repave","reboot"]}`)
	case r.URL.Path == "/capabilities":
		http.NotFound(w, r)
	default:
		f.answer(w, r)
	}
}

func say(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func newDriver(t *testing.T, config dcapi.Config) *dcapi.Driver {
	t.Helper()
	config.Name = "dc-west/west"
	if config.Backoff == 0 {
		config.Backoff = time.Millisecond
	}
	if config.Timeout == 0 {
		config.Timeout = 2 * time.Second
	}
	driver, err := dcapi.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

func withToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

func (f *fake) driver(t *testing.T, config dcapi.Config) *dcapi.Driver {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	config.Endpoint = server.URL
	return newDriver(t, config)
}

// kind and reason as one word, for tables.
func verdict(err error) string {
	if err == nil {
		return "ok"
	}
	return strings.TrimSpace(string(drivers.KindOf(err)) + " " + drivers.ReasonOf(err))
}

// TestEveryAnswer tells, for each answer that a site can give, what each call makes of it.
func TestEveryAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		header string // Retry-After
		body   string
		start  string // at version 2
		start1 string // at version 1
		read   string // Status at version 2
	}{
		{"bad request", 400, "", `{"code":"bad_request","message":"no"}`, "Rejected", "Rejected", "Rejected"},
		{"unauthorized", 401, "", ``, "Transient Unauthorized", "Transient Unauthorized", "Transient Unauthorized"},
		{"forbidden", 403, "", ``, "Transient Unauthorized", "Transient Unauthorized", "Transient Unauthorized"},
		{"not found", 404, "", `404 page not found`, "Transient VersionChanged", "Transient VersionChanged", "Transient VersionChanged"},
		{"job not found", 404, "", `{"code":"job_not_found","message":"no"}`, "Transient VersionChanged", "Transient VersionChanged", "NotFound"},
		{"method not allowed", 405, "", ``, "Transient VersionChanged", "Transient VersionChanged", "Transient VersionChanged"},
		{"request timeout", 408, "", ``, "Unknown SiteError", "Unknown SiteError", "Transient SiteError"},
		{"conflict", 409, "", `{}`, "Rejected", "Rejected", "Rejected"},
		{"identity", 409, "", `{"code":"identity_mismatch","message":"no"}`, "Rejected IdentityMismatch", "Rejected IdentityMismatch", "Rejected IdentityMismatch"},
		{"voided", 409, "", `{"code":"request_voided","message":"no"}`, "Rejected RequestVoided", "Rejected RequestVoided", "Rejected RequestVoided"},
		{"busy", 409, "7", `{"code":"server_busy","message":"no"}`, "Transient Busy", "Transient Busy", "Transient Busy"},
		{"key reused", 422, "", `{"code":"key_reused","message":"no"}`, "Rejected RequestReused", "Rejected RequestReused", "Rejected RequestReused"},
		{"too many", 429, "", ``, "Transient Busy", "Transient Busy", "Transient Busy"},
		{"server error", 500, "", `{"code":"internal","message":"no"}`, "Unknown SiteError", "Unknown SiteError", "Transient SiteError"},
		{"bad gateway", 502, "", `<html>`, "Unknown SiteError", "Unknown SiteError", "Transient SiteError"},
		{"unavailable", 503, "", ``, "Unknown SiteError", "Unknown SiteError", "Transient SiteError"},
		{"unavailable, come back", 503, "7", ``, "Transient Busy", "Transient Busy", "Transient Busy"},
		{"unavailable, come back sometime", 503, "soon", ``, "Unknown SiteError", "Unknown SiteError", "Transient SiteError"},
		{"gateway timeout", 504, "7", ``, "Unknown SiteError", "Unknown SiteError", "Transient SiteError"},
		{"moved", 302, "", ``, "Unknown RedirectRefused", "Unknown RedirectRefused", "Transient RedirectRefused"},
		{"moved for good", 308, "", ``, "Unknown RedirectRefused", "Unknown RedirectRefused", "Transient RedirectRefused"},
		{"not modified", 304, "", ``, "Unknown RedirectRefused", "Unknown RedirectRefused", "Transient RedirectRefused"},
		{"no content", 204, "", ``, "Unknown InvalidResponse", "Unknown InvalidResponse", "Transient InvalidResponse"},
		{"another request's job", 202, "", `{"jobId":"job-1","status":"accepted","requestId":"u-2"}`, "Unknown InvalidResponse", "Unknown InvalidResponse", "Transient InvalidResponse"},
		{"a whole answer", 202, "", `{"jobId":"job-1","status":"accepted","requestId":"u-1","phase":"running","message":""}`, "ok", "ok", "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/jobs/cancel" {
					say(w, http.StatusNotFound, `{"code":"job_not_found","message":"voided"}`)
					return
				}
				w.Header().Set("Location", "/elsewhere")
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				say(w, c.status, c.body)
			}
			v2 := (&fake{version: "v2", answer: answer}).driver(t, dcapi.Config{})
			_, err := v2.Start(t.Context(), conformance.Repave("u-1", 1))
			check(t, "Start at version 2", err, c.start)
			_, err = v2.Status(t.Context(), drivers.JobRef{RequestID: "u-1", JobID: "job-1"})
			check(t, "Status", err, c.read)

			site := &fake{version: "v1", answer: answer}
			v1 := site.driver(t, dcapi.Config{})
			_, err = v1.Start(t.Context(), conformance.Repave("u-1", 1))
			check(t, "Start at version 1", err, c.start1)
			if posts := site.posts.Load(); posts != 1 {
				t.Errorf("a version 1 site was sent %d requests, want 1", posts)
			}
		})
	}
}

func check(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := verdict(err); got != want {
		t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
	var failed *drivers.Error
	if err != nil && !errors.As(err, &failed) {
		t.Errorf("%s: %T is not the contract's error", what, err)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("%s: the message holds the token: %v", what, err)
	}
}

func TestRetryAfterIsHandedOn(t *testing.T) {
	date := time.Now().Add(30 * time.Minute).UTC().Format(http.TimeFormat)
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "99999999": time.Hour, date: 30 * time.Minute, "-3": 0, "soon": 0,
	} {
		site := &fake{version: "v2", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			say(w, http.StatusTooManyRequests, `{}`)
		}}
		_, err := site.driver(t, dcapi.Config{}).Start(t.Context(), conformance.Repave("u-1", 1))
		var failed *drivers.Error
		if !errors.As(err, &failed) || failed.RetryAfter > want || failed.RetryAfter < want-5*time.Second {
			t.Errorf("Retry-After %q: %+v, want %s", header, failed, want)
		}
		if posts := site.posts.Load(); posts != 1 {
			t.Errorf("a site that says when to come back was asked %d times at once", posts)
		}
	}
}

// TestRedirectsAreNotFollowed looks at where a redirect points: nothing may come there, least of all the token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var visits atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/jobs/job-1", status)
		}))
		t.Cleanup(site.Close)
		driver := newDriver(t, dcapi.Config{Endpoint: site.URL, Token: withToken(canary)})
		_, err := driver.Probe(t.Context())
		check(t, "Probe", err, "Transient RedirectRefused")
		_, err = driver.Status(t.Context(), drivers.JobRef{JobID: "job-1"})
		check(t, "Status", err, "Transient RedirectRefused")
	}
	if visits.Load() != 0 {
		t.Errorf("the redirect's target was visited %d times", visits.Load())
	}
}

// TestProxiesOfTheEnvironmentAreNotUsed: the site is asked, not a proxy that could read the token. The variables are
// read once a process, so that this only shows that a request with them set comes through.
func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	site := &fake{version: "v2"}
	if _, err := site.driver(t, dcapi.Config{}).Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNoSecretInAnyMessage has the site say back, in every way it can, what it was sent.
func TestNoSecretInAnyMessage(t *testing.T) {
	secret := "hunter2-of-the-database"
	request := conformance.Repave("u-1", 1)
	request.Image.UserData = []byte("#cloud-config\npassword: " + secret + "\n")
	for name, echo := range map[string]http.HandlerFunc{
		"message": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			say(w, 400, `{"code":"`+r.Header.Get("Authorization")+`","message":`+quoted(r.Header.Get("Authorization")+" password: "+secret+string(body))+`}`)
		},
		"bare body": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(400)
			_, _ = io.WriteString(w, r.Header.Get("Authorization")+string(body)+"password: "+secret)
		},
		"cut off": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, strings.Repeat("x", 4090)+r.Header.Get("Authorization"))
		},
		"content type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.Header.Get("Authorization"))
			w.WriteHeader(202)
		},
		"malformed status line": func(w http.ResponseWriter, r *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(connection, r.Header.Get("Authorization")+"\r\n\r\n")
				_ = connection.Close()
			}
		},
		"job": func(w http.ResponseWriter, r *http.Request) {
			say(w, 202, `{"jobId":"job-1","requestId":"u-1","status":"accepted","phase":"running","message":`+quoted(r.Header.Get("Authorization"))+`}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			driver := (&fake{version: "v2", answer: echo}).driver(t, dcapi.Config{Token: withToken(canary)})
			_, err := driver.Start(t.Context(), request)
			status, statusErr := driver.Status(t.Context(), drivers.JobRef{JobID: "job-1"})
			for ; err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("a secret is in: %v", err)
				}
			}
			if statusErr != nil && strings.Contains(statusErr.Error(), canary) {
				t.Errorf("the token is in: %v", statusErr)
			}
			if strings.Contains(status.Message, canary) {
				t.Errorf("the token is in the job's message: %s", status.Message)
			}
		})
	}
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

// TestTokenIsReadAnew: a Secret that is mended is used with the next request; one that is not there is said to be so.
func TestTokenIsReadAnew(t *testing.T) {
	var current atomic.Value
	current.Store("old")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		(&fake{version: "v2"}).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	driver := newDriver(t, dcapi.Config{Endpoint: server.URL, Token: func(context.Context) (string, error) {
		token := current.Load().(string)
		if token == "gone" {
			return "", errors.New("no Secret dc-west/credentials")
		}
		return token, nil
	}})
	for _, step := range []struct{ token, want string }{
		{"old", "Transient Unauthorized"}, {"new\n", "ok"}, {"", "Transient CredentialsMissing"},
		{"new\r\nX-Evil: 1", "Transient CredentialsMissing"}, {"gone", "Transient CredentialsMissing"}, {"new", "ok"},
	} {
		current.Store(step.token)
		_, err := driver.Probe(t.Context())
		check(t, "with token "+step.token, err, step.want)
	}
}
