package e2e

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
)

// TestUnknownReferences: a name that leads nowhere holds, says which field of which object to mend,
// and goes on once it is mended.
func TestUnknownReferences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*v1alpha1.Server, *v1alpha1.Operation)
		reason string
		words  []string
		mend   func(*Room)
	}{
		{"server", func(_ *v1alpha1.Server, op *v1alpha1.Operation) { op.Spec.ServerRef.Name = "server-009" },
			v1alpha1.ReasonServerNotFound, []string{"spec.serverRef.name", "server-009", "create it"},
			func(r *Room) { r.Create(r.Server(9)) }},
		{"profile", func(_ *v1alpha1.Server, op *v1alpha1.Operation) { op.Spec.ProvisioningProfileRef.Name = "os-9" },
			v1alpha1.ReasonProfileNotFound, []string{"spec.provisioningProfileRef.name", "os-9", "create it"},
			func(r *Room) { r.Create(Profile(r.Namespace, "os-9", "9.0.0")) }},
		{"datacenter", func(s *v1alpha1.Server, _ *v1alpha1.Operation) {
			s.Spec.DatacenterRef = &v1alpha1.LocalReference{Name: "dc-9"}
		}, v1alpha1.ReasonDatacenterNotFound, []string{"Server.spec.datacenterRef.name", "dc-9", "create it"},
			onServer(func(s *v1alpha1.Server) { s.Spec.DatacenterRef.Name = "dc" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{})
			r.Start()
			server, op := r.Server(1), r.Repave("repave", 1)
			c.change(server, op)
			r.Create(server, op)
			r.UntilHeld(op, c.reason, c.words...)
			r.Unasked()
			c.mend(r)
			succeeds(r, op)
			r.Accepted(op.Spec.ServerRef.Name, 1)
		})
	}
}

// TestWhichDatacenter: a namespace with several needs a reference, one with none needs --dc-url.
func TestWhichDatacenter(t *testing.T) {
	t.Parallel()
	t.Run("two", func(t *testing.T) {
		t.Parallel()
		r := NewWorld(t).Room(site.Config{})
		r.Start()
		url, other := r.OpenSite(site.Config{Duration: Quick})
		r.Create(&v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "dc-other"},
			Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url}})
		op := r.Repave("repave", 1)
		r.Create(r.Server(1), op)
		r.UntilHeld(op, v1alpha1.ReasonDatacenterAmbiguous, "2 Datacenters", "Server.spec.datacenterRef.name")
		r.Unasked()
		onServer(func(s *v1alpha1.Server) { s.Spec.DatacenterRef = &v1alpha1.LocalReference{Name: "dc-other"} })(r)
		succeeds(r, op)
		r.Unasked()
		if got := len(Events(other, site.Accepted)); got != 1 || op.Status.DecidedOn.Datacenter != "dc-other" {
			t.Errorf("the site that was named made %d jobs, decided on %q", got, op.Status.DecidedOn.Datacenter)
		}
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		r := NewWorld(t).Room(site.Config{})
		r.DeleteNow(r.DC())
		r.Start()
		op := r.Repave("repave", 1)
		r.Create(r.Server(1), op)
		r.UntilHeld(op, v1alpha1.ReasonDatacenterNotFound, r.Namespace, "--dc-url", "create a Datacenter")
	})
	for _, api := range []string{site.V1, site.V2} {
		t.Run("--dc-url to a site that speaks "+api, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{})
			r.DeleteNow(r.DC())
			url, fallback := r.OpenSite(site.Config{API: api, Duration: Quick})
			r.Start(func(options *engine.Options) { options.DatacenterURL = url })
			op := r.Repave("repave", 1)
			r.Create(r.Server(1), op)
			succeeds(r, op)
			if got := len(Events(fallback, site.Accepted)); got != 1 {
				t.Errorf("the site made %d jobs", got)
			}
		})
	}
	t.Run("--dc-url beside a Datacenter", func(t *testing.T) {
		t.Parallel()
		r := NewWorld(t).Room(site.Config{})
		url, fallback := r.OpenSite(site.Config{Duration: Quick})
		r.Start(func(options *engine.Options) { options.DatacenterURL = url })
		op := r.Repave("repave", 1)
		r.Create(r.Server(1), op)
		succeeds(r, op)
		r.Accepted("server-001", 1)
		if got := len(fallback.Record()); got != 0 {
			t.Errorf("the site of --dc-url has %d events on record", got)
		}
	})
}

// TestRejectedAtTheDoor: what the API server can see to be wrong never becomes an object. Schemas
// have tests of their own; these are one of each sort.
func TestRejectedAtTheDoor(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	namespace := w.Cluster.Namespace(t)
	operation := map[string]any{"serverRef": map[string]any{"name": "server-001"}, "operation": "reboot"}
	with := func(base map[string]any, field string, value any) map[string]any {
		changed := map[string]any{field: value}
		for k, v := range base {
			if k != field {
				changed[k] = v
			}
		}
		return changed
	}
	for _, c := range []struct {
		name, kind string
		spec       map[string]any
		field      string
	}{
		{"malformed MAC", "Server", map[string]any{"mac": "aa:bb:cc"}, "spec.mac"},
		{"malformed address", "Server", map[string]any{"mac": "aa:bb:cc:dd:ee:ff", "ipv4": "10.0.0.300"}, "spec.ipv4"},
		{"malformed URL", "Datacenter", map[string]any{"driver": "dcapi", "endpoint": "not a url"}, "spec.endpoint"},
		{"URL with a password", "Datacenter", map[string]any{"driver": "dcapi", "endpoint": "https://a:b@example.com"}, "spec.endpoint"},
		{"unknown action", "Operation", with(operation, "operation", "explode"), "spec.operation"},
		{"malformed duration", "Operation", with(operation, "timeout", "tomorrow"), "spec.timeout"},
		{"repave without a profile", "Operation", with(operation, "operation", "repave"), "spec.provisioningProfileRef"},
		{"malformed checksum", "ProvisioningProfile", map[string]any{"osVersion": "1", "osImageChecksum": "sha256:12"}, "spec.osImageChecksum"},
		{"malformed percent", "ServerGroup", map[string]any{"selector": map[string]any{}, "provisioningProfileRef": map[string]any{"name": "os"},
			"rollout": map[string]any{"maxUnavailable": "half"}}, "spec.rollout.maxUnavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{"spec": c.spec}}
			object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(c.kind))
			object.SetNamespace(namespace)
			object.SetName("wrong")
			err := w.Client.Create(t.Context(), object)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.field) {
				t.Errorf("the API server said %v, not that %s is invalid", err, c.field)
			}
		})
	}
}

// TestBrokenProfile: documents that cannot be read or rendered hold, and nothing is put on a machine
// before they can.
func TestBrokenProfile(t *testing.T) {
	t.Parallel()
	inline := func(text string) *v1alpha1.DataSource { return &v1alpha1.DataSource{Inline: text} }
	for _, c := range []struct {
		name   string
		source *v1alpha1.DataSource
		reason string
		words  []string
		mend   func(*Room)
	}{
		{"Secret missing", &v1alpha1.DataSource{SecretRef: &v1alpha1.SecretKeyReference{Name: "cloud-init", Key: "user"}},
			v1alpha1.ReasonSecretNotFound, []string{"spec.userData.secretRef", "cloud-init"},
			func(r *Room) {
				secret := token(r.Namespace, "cloud-init", "x")
				secret.Data["user"] = []byte("#cloud-config")
				r.Create(secret)
			}},
		{"Secret lacks the key", &v1alpha1.DataSource{SecretRef: &v1alpha1.SecretKeyReference{Name: "lacking", Key: "user"}},
			v1alpha1.ReasonSecretInvalid, []string{"spec.userData.secretRef", "lacking", "no key user", "add it"},
			func(r *Room) {
				secret := token(r.Namespace, "lacking", "x")
				r.Edit(secret, func() { secret.Data["user"] = []byte("#cloud-config") })
			}},
		{"template that does not parse", inline("hostname: {{ .server.name"), v1alpha1.ReasonProfileInvalid, []string{"os", "spec.userData"}, nil},
		{"template that asks for what is not there", inline("hostname: {{ .server.nmae }}"), v1alpha1.ReasonProfileInvalid, []string{"spec.userData", "nmae"}, nil},
		{"template without end", inline(`{{ define "a" }}{{ template "a" . }}{{ template "a" . }}{{ end }}{{ template "a" . }}`),
			v1alpha1.ReasonProfileInvalid, []string{"spec.userData"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{})
			r.Create(token(r.Namespace, "lacking", "x"))
			profile := Profile(r.Namespace, "os", "2.0.0")
			r.Edit(profile, func() { profile.Spec.UserData = c.source })
			r.Start(fresh)
			op := r.Repave("repave", 1)
			r.Create(r.Server(1), op)
			r.UntilHeld(op, c.reason, append(c.words, "ProvisioningProfile os")...)
			r.Unasked()
			if c.mend == nil {
				c.mend = func(r *Room) {
					r.Edit(profile, func() { profile.Spec.UserData = inline("hostname: {{ .server.name }}") })
				}
			}
			c.mend(r)
			succeeds(r, op)
			r.Accepted("server-001", 1)
		})
	}
}
