package e2e

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers"
)

// TestBadCredentials: a Secret that is missing or wrong holds, names itself, and is looked at again.
func TestBadCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		secret *corev1.Secret
		reason string
		words  []string
	}{
		{"missing", nil, v1alpha1.ReasonSecretNotFound, []string{"spec.credentialsRef", "credentials", "not found"}},
		{"lacks the key", &corev1.Secret{Data: map[string][]byte{"password": []byte("x")}}, v1alpha1.ReasonSecretInvalid,
			[]string{"spec.credentialsRef", "credentials", "no key token", "add it"}},
		{"refused by the site", token("", "", "wrong-token"), drivers.ReasonUnauthorized, []string{"401", "Secret"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).RoomWith(site.Config{Token: "open-sesame"}, func(dc *v1alpha1.Datacenter) {
				dc.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: "credentials"}
			})
			if c.secret != nil {
				c.secret.ObjectMeta = metav1.ObjectMeta{Namespace: r.Namespace, Name: "credentials"}
				r.Create(c.secret)
			}
			r.Start(fresh)
			op, dc := r.Repave("repave", 1), r.DC()
			r.Create(r.Server(1), op)
			r.UntilHeld(op, c.reason, append(c.words, "dc")...)
			r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, c.reason, c.words...)
			r.Accepted("server-001", 0)
			if c.secret == nil {
				r.Create(theSecret(r))
			} else {
				r.Edit(c.secret, func() { c.secret.Data["token"] = []byte("open-sesame") })
			}
			succeeds(r, op)
			r.Accepted("server-001", 1)
			r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonReady)
		})
	}
}

// TestBadAnswers: a site, or what stands in its place, that answers what is not of the protocol. The
// Operation says so, in finite time, and runs once when the site has come to its senses.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  site.Fault
		reason string
		words  []string
		jobs   int // made while the fault was there
	}{
		{"HTML", site.Fault{Kind: site.Garbage, Sort: site.HTML}, drivers.ReasonGarbage, []string{"HTML", "endpoint"}, 0},
		{"10 GB", site.Fault{Kind: site.Garbage, Sort: site.Endless}, drivers.ReasonGarbage, []string{"not of the DC API"}, 0},
		{"HTML to the request alone", site.Fault{Kind: site.Garbage, Sort: site.HTML, Method: "POST"}, drivers.ReasonGarbage, []string{"HTML"}, 0},
		{"10 GB to the request alone", site.Fault{Kind: site.Garbage, Sort: site.Endless, Method: "POST"}, drivers.ReasonGarbage, []string{"not of the DC API"}, 0},
		{"500", site.Fault{Kind: site.Status, Status: 500}, "SiteError", []string{"500", "log"}, 0},
		{"another job", site.Fault{Kind: site.Garbage, Sort: site.WrongJobID, Path: "/jobs/"}, drivers.ReasonGarbage, []string{"another job"}, 1},
		{"another request's job", site.Fault{Kind: site.Garbage, Sort: site.WrongID, Path: "/operations"}, drivers.ReasonGarbage, []string{"another request"}, 0},
		{"a phase that there is not", site.Fault{Kind: site.Garbage, Sort: site.BadPhase, Path: "/jobs/"}, drivers.ReasonGarbage, []string{"phase"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{Faults: []site.Fault{c.fault}})
			r.Start()
			op := r.Repave("repave", 1)
			r.Create(r.Server(1), op)
			r.UntilHeld(op, c.reason, append(c.words, r.Namespace+"/dc")...)
			r.Accepted("server-001", c.jobs)
			r.Site.ClearFaults()
			succeeds(r, op)
			r.Accepted("server-001", 1)
		})
	}
}

// TestEndlessAnswerIsBounded: ten gigabytes are neither read nor kept.
func TestEndlessAnswerIsBounded(t *testing.T) {
	// Not beside others, whose memory would count.
	r := NewWorld(t).Room(site.Config{Faults: []site.Fault{{Kind: site.Garbage, Sort: site.Endless}}})
	r.Start()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	r.UntilHeld(op, drivers.ReasonGarbage)
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc) - int64(before.TotalAlloc); grown > 512<<20 {
		t.Errorf("%d MiB were taken for an answer that is bounded by 1 MiB", grown>>20)
	}
	r.Unasked()
}

// TestRedirect: a redirect is not followed, and where it leads to is never shown the token.
func TestRedirect(t *testing.T) {
	t.Parallel()
	visited := make(chan string, 16)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		visited <- request.Header.Get("Authorization")
	}))
	t.Cleanup(elsewhere.Close)
	r := NewWorld(t).RoomWith(site.Config{Token: "open-sesame", Faults: []site.Fault{{Kind: site.Redirect, Location: elsewhere.URL + "/operations"}}},
		func(dc *v1alpha1.Datacenter) {
			dc.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: "credentials"}
		})
	r.Create(theSecret(r))
	r.Start(fresh)
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	r.UntilHeld(op, drivers.ReasonRedirect, "redirect", "endpoint", r.Namespace+"/dc")
	r.Unasked()
	r.Site.ClearFaults()
	succeeds(r, op)
	select {
	case authorization := <-visited:
		t.Errorf("the redirect was followed, with the credentials %q", authorization)
	default:
	}
}

// TestCertificates: a site whose certificate is not trusted is told nothing; with the right authority
// it is. A client certificate that is asked for is shown.
func TestCertificates(t *testing.T) {
	t.Parallel()
	handler := &late{}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are meant to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	r := NewWorld(t).RoomWith(site.Config{Token: "open-sesame"}, func(dc *v1alpha1.Datacenter) {
		dc.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: "credentials"}
		dc.Spec.Endpoint = server.URL
		dc.Spec.TLS = &v1alpha1.DatacenterTLS{CARef: &v1alpha1.SecretKeyReference{Name: "authority", Key: "ca.crt"}}
	})
	handler.set(r.Site)
	authority := token(r.Namespace, "authority", "x")
	r.Create(theSecret(r), authority)
	r.Start(fresh)
	op, dc := r.Repave("repave", 1), r.DC()
	r.Create(r.Server(1), op)
	r.UntilHeld(op, v1alpha1.ReasonSecretInvalid, "spec.tls.caRef", "authority", "no key ca.crt")

	right := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	r.Edit(authority, func() { authority.Data["ca.crt"] = []byte("no certificate") })
	r.UntilHeld(op, v1alpha1.ReasonDatacenterInvalid, "dc", "PEM")
	// Without a name for an authority, those of the host count, and they do not know this one.
	r.Edit(dc, func() { dc.Spec.TLS = nil })
	r.UntilHeld(op, drivers.ReasonCertificate, "certificate", "dc")
	r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReachable, drivers.ReasonCertificate)
	if got := handler.seen(); got != 0 {
		t.Errorf("a site that is not trusted got %d requests", got)
	}
	r.Edit(authority, func() { authority.Data["ca.crt"] = right })
	r.Edit(dc, func() {
		dc.Spec.TLS = &v1alpha1.DatacenterTLS{CARef: &v1alpha1.SecretKeyReference{Name: "authority", Key: "ca.crt"}, ServerName: "another.example.org"}
	})
	r.Until(dc, "said to have a certificate for another name", func() bool {
		reachable := meta.FindStatusCondition(dc.Status.Conditions, v1alpha1.ConditionReachable)
		return reachable.Reason == drivers.ReasonCertificate && strings.Contains(reachable.Message, "another.example.org")
	})
	if got := handler.seen(); got != 0 {
		t.Errorf("a site under another name got %d requests", got)
	}
	r.Edit(dc, func() { dc.Spec.TLS.ServerName = "example.com" })
	succeeds(r, op)
	r.Accepted("server-001", 1)
}

// late serves a handler that is known only once it listens, and counts requests.
type late struct {
	mu      sync.Mutex
	handler http.Handler
	count   int
}

func (l *late) set(handler http.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = handler
}

func (l *late) seen() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// ServeHTTP implements http.Handler.
func (l *late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.count++
	handler := l.handler
	l.mu.Unlock()
	handler.ServeHTTP(w, r)
}

// TestCanary: a site that says back what it was told gives no secret away, to nobody.
func TestCanary(t *testing.T) {
	t.Parallel()
	const canary, document = "c4n4ry-t0ken-9f1c2ab", "c4n4ry-d0cument-41d0e77"
	logged := &lockedBuffer{}
	r := NewWorld(t).RoomWith(site.Config{Token: canary, Faults: []site.Fault{{Kind: site.Garbage, Sort: site.EchoSecrets, Method: "POST", Count: 1}}},
		func(dc *v1alpha1.Datacenter) {
			dc.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: "credentials"}
		})
	cloudInit := token(r.Namespace, "cloud-init", "x")
	cloudInit.Data["user"] = []byte("#cloud-config\npassword: " + document + "\n")
	r.Create(token(r.Namespace, "credentials", canary), cloudInit)
	profile := Profile(r.Namespace, "os", "2.0.0")
	r.Edit(profile, func() {
		profile.Spec.UserData = &v1alpha1.DataSource{SecretRef: &v1alpha1.SecretKeyReference{Name: "cloud-init", Key: "user"}}
	})
	metrics := freeAddress(t)
	r.Start(fresh, logTo(logged), metricsAt(metrics))
	// Told in the answer to a request, in the site's refusal of the token, and in a job's own words.
	refused, wrong, done := r.Repave("refused", 1), r.Repave("wrong", 2), r.Repave("done", 3)
	r.Create(r.Server(1), r.Server(2), r.Server(3), refused)
	r.UntilEnded(refused, v1alpha1.OperationFailed, v1alpha1.ReasonRejected)
	r.fault(site.Fault{Kind: site.Garbage, Sort: site.EchoSecrets, Path: "/jobs/"})
	r.Create(wrong)
	r.Until(wrong, "in trouble", func() bool { return wrong.Status.Phase.Terminal() || len(wrong.Status.Holds) > 0 })
	r.Site.ClearFaults()
	r.Create(done)
	r.settled(wrong)
	succeeds(r, done)
	// What is searched must hold what the site said back, or it shows nothing.
	r.Eventually("what the site said back to be told", func() bool { return strings.Contains(everything(r), "redacted") })
	for place, text := range map[string]string{"the log": logged.String(), "objects and events": everything(r), "metrics": fetch(t, "http://"+metrics+"/metrics")} {
		if len(text) == 0 {
			t.Errorf("nothing to search in %s", place)
		}
		for _, secret := range []string{canary, document} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s give %s away: …%s…", place, secret, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}
