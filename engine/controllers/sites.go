package controllers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi"
	"stargate.io/stargate/engine/operation"
)

const (
	// secretsEvery is how often Secrets are looked at again where Options.SecretsEvery does not say.
	secretsEvery = 30 * time.Second
	// tokenFresh is how long a token is used before its Secret is read again.
	tokenFresh = 10 * time.Second
)

// sites gives the driver of each Datacenter, made anew when the Datacenter or its Secrets change.
type sites struct {
	cache client.Reader
	live  client.Reader
	clock clock.Clock
	// fallback serves namespaces without a Datacenter; nil where --dc-url is not given.
	fallback drivers.Driver
	// every is how long a driver, or the reason why there is none, is used before its Secrets are
	// looked at again.
	every time.Duration

	mu    sync.Mutex
	built map[types.UID]*site
}

// site is a driver, or the problem that there is none.
type site struct {
	// of is the Datacenter by name.
	of types.NamespacedName

	mu         sync.Mutex
	generation int64
	checked    time.Time
	secrets    string
	driver     drivers.Driver
	problem    *v1alpha1.Hold
	// leaving: the Datacenter is being deleted.
	leaving atomic.Bool
}

func newSites(cache, live client.Reader, clock clock.Clock, fallback drivers.Driver, every time.Duration) *sites {
	return &sites{cache: cache, live: live, clock: clock, fallback: fallback, every: every, built: map[types.UID]*site{}}
}

// ofDispatched resolves the site that an Operation was dispatched to. An edit cannot move it to
// another: what went through --dc-url stays there though a Datacenter was made since.
func (s *sites) ofDispatched(ctx context.Context, namespace, name string) (operation.Site, drivers.Driver, *v1alpha1.Datacenter, error) {
	if name != "" {
		return s.of(ctx, namespace, name)
	}
	if s.fallback == nil {
		return operation.Site{Problem: &v1alpha1.Hold{Source: "Datacenter/" + namespace, Reason: v1alpha1.ReasonDatacenterNotFound,
			Message:    "the Operation was dispatched through --dc-url, and the controller runs without it now; start it with --dc-url again",
			ClearsWhen: "the controller runs with --dc-url"}}, nil, nil, nil
	}
	return operation.Site{OnUnknown: v1alpha1.UnknownOutcomeHold}, s.fallback, nil, nil
}

// of resolves the Datacenter of a namespace by name, or, where name is empty, the only one there is.
func (s *sites) of(ctx context.Context, namespace, name string) (operation.Site, drivers.Driver, *v1alpha1.Datacenter, error) {
	var list v1alpha1.DatacenterList
	if err := s.cache.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return operation.Site{}, nil, nil, fmt.Errorf("listing Datacenters: %w", err)
	}
	dc, problem := pick(list.Items, namespace, name)
	if dc == nil {
		if s.fallback != nil && len(list.Items) == 0 && name == "" {
			return operation.Site{OnUnknown: v1alpha1.UnknownOutcomeHold}, s.fallback, nil, nil
		}
		return operation.Site{Problem: problem}, nil, nil, nil
	}
	answer := siteOf(dc)
	built := s.site(ctx, dc)
	answer.Problem = built.problem
	return answer, built.driver, dc, nil
}

// siteOf is what a decision may know of a Datacenter.
func siteOf(dc *v1alpha1.Datacenter) operation.Site {
	return operation.Site{Name: dc.Name, Endpoint: dc.Spec.Endpoint, Paused: dc.Spec.Paused, Reason: dc.Spec.Reason,
		Deleting: dc.DeletionTimestamp != nil, OnUnknown: dc.Spec.OnUnknownOutcome}
}

// close gives up the connections of every driver.
func (s *sites) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []drivers.Driver{s.fallback}
	for _, built := range s.built {
		built.mu.Lock()
		all = append(all, built.driver)
		built.mu.Unlock()
	}
	for _, driver := range all {
		if closer, ok := driver.(interface{ Close() }); ok {
			closer.Close()
		}
	}
}

// keep forgets what was built for a Datacenter of that name and is not of this UID.
func (s *sites) keep(name types.NamespacedName, uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for each, built := range s.built {
		if built.of != name || each == uid {
			continue
		}
		delete(s.built, each)
		built.mu.Lock()
		if closer, ok := built.driver.(interface{ Close() }); ok {
			closer.Close()
		}
		built.mu.Unlock()
	}
}

// pick chooses the Datacenter that is meant, or says why none is.
func pick(all []v1alpha1.Datacenter, namespace, name string) (*v1alpha1.Datacenter, *v1alpha1.Hold) {
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	switch {
	case name != "":
		return nil, &v1alpha1.Hold{Source: "Datacenter/" + name, Reason: v1alpha1.ReasonDatacenterNotFound,
			Message:    fmt.Sprintf("Server.spec.datacenterRef.name: no Datacenter %s in namespace %s; create it or correct the reference", name, namespace),
			ClearsWhen: "the Datacenter is created"}
	case len(all) == 1:
		return &all[0], nil
	case len(all) == 0:
		return nil, &v1alpha1.Hold{Source: "Datacenter/" + namespace, Reason: v1alpha1.ReasonDatacenterNotFound,
			Message:    fmt.Sprintf("namespace %s has no Datacenter and the controller runs without --dc-url; create a Datacenter with spec.endpoint", namespace),
			ClearsWhen: "a Datacenter is created"}
	}
	return nil, &v1alpha1.Hold{Source: "Datacenter/" + namespace, Reason: v1alpha1.ReasonDatacenterAmbiguous,
		Message:    fmt.Sprintf("namespace %s has %d Datacenters; say which in Server.spec.datacenterRef.name", namespace, len(all)),
		ClearsWhen: "spec.datacenterRef is set"}
}

// site gives the driver of a Datacenter, building it where it is missing or out of date.
func (s *sites) site(ctx context.Context, dc *v1alpha1.Datacenter) *site {
	s.mu.Lock()
	built := s.built[dc.UID]
	if built == nil {
		built = &site{of: client.ObjectKeyFromObject(dc)}
		s.built[dc.UID] = built
	}
	s.mu.Unlock()

	built.mu.Lock()
	defer built.mu.Unlock()
	if dc.DeletionTimestamp != nil && built.driver != nil {
		// Its Secrets may be gone for good, as where the whole namespace goes: what is under way is
		// ended or seen out with what is known of them.
		built.leaving.Store(true)
		return &site{driver: built.driver}
	}
	now := s.clock.Now()
	if built.generation == dc.Generation && now.Sub(built.checked) < s.every {
		return &site{driver: built.driver, problem: built.problem}
	}
	s.refresh(ctx, dc, built)
	built.generation, built.checked = dc.Generation, now
	return &site{driver: built.driver, problem: built.problem}
}

// refresh builds a driver unless neither the Datacenter nor its Secrets changed.
func (s *sites) refresh(ctx context.Context, dc *v1alpha1.Datacenter, built *site) {
	config, secrets, problem := s.config(ctx, dc, &built.leaving)
	if problem != nil {
		built.problem = problem
		return
	}
	fingerprint := fmt.Sprintf("%d %s", dc.Generation, secrets)
	if built.driver != nil && built.secrets == fingerprint {
		built.problem = nil
		return
	}
	driver, err := dcapi.New(config)
	if err != nil {
		built.problem = &v1alpha1.Hold{Source: "Datacenter/" + dc.Name, Reason: v1alpha1.ReasonDatacenterInvalid,
			Message: fmt.Sprintf("Datacenter %s cannot be used: %v", dc.Name, err), ClearsWhen: "its spec or its Secrets are corrected"}
		return
	}
	if before, ok := built.driver.(interface{ Close() }); ok {
		before.Close()
	}
	built.driver, built.secrets, built.problem = driver, fingerprint, nil
}

// config reads what a driver needs. secrets names the versions of the Secrets it was read from.
func (s *sites) config(ctx context.Context, dc *v1alpha1.Datacenter, leaving *atomic.Bool) (dcapi.Config, string, *v1alpha1.Hold) {
	spec := &dc.Spec
	if spec.Driver != v1alpha1.DriverDCAPI && spec.Driver != v1alpha1.DriverSimulator {
		return dcapi.Config{}, "", &v1alpha1.Hold{Source: "Datacenter/" + dc.Name, Reason: v1alpha1.ReasonNoDriver,
			Message: fmt.Sprintf("spec.driver: this build has no driver %s; use dcapi", spec.Driver), ClearsWhen: "spec.driver is changed"}
	}
	config := dcapi.Config{
		Endpoint: spec.Endpoint, Name: dc.Namespace + "/" + dc.Name,
		Limits: dcapi.Limits{Concurrent: workersPerSite, RequestsPerSecond: float64(spec.Limits.RequestsPerSecond)},
	}
	if spec.Limits.RequestsPerSecond == 0 {
		config.Limits.RequestsPerSecond = 100000
	}
	secrets := ""
	if spec.CredentialsRef != nil {
		config.Token = s.token(dc.Namespace, spec.CredentialsRef.Name, leaving)
		if _, err := config.Token(ctx); err != nil {
			return config, "", secretHold(dc, "spec.credentialsRef", spec.CredentialsRef.Name, err)
		}
	}
	tls := spec.TLS
	if tls == nil {
		return config, secrets, nil
	}
	config.ServerName, config.InsecureSkipVerify = tls.ServerName, tls.InsecureSkipVerify
	if tls.CARef != nil {
		data, version, err := s.secret(ctx, dc.Namespace, tls.CARef.Name, tls.CARef.Key)
		if err != nil {
			return config, "", secretHold(dc, "spec.tls.caRef", tls.CARef.Name, err)
		}
		config.CAPEM, secrets = data[0], secrets+" "+version
	}
	if tls.ClientCertRef != nil {
		data, version, err := s.secret(ctx, dc.Namespace, tls.ClientCertRef.Name, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
		if err != nil {
			return config, "", secretHold(dc, "spec.tls.clientCertRef", tls.ClientCertRef.Name, err)
		}
		config.ClientCertPEM, config.ClientKeyPEM, secrets = data[0], data[1], secrets+" "+version
	}
	return config, secrets, nil
}

func secretHold(dc *v1alpha1.Datacenter, field, name string, err error) *v1alpha1.Hold {
	reason := v1alpha1.ReasonSecretInvalid
	if apierrors.IsNotFound(err) {
		reason = v1alpha1.ReasonSecretNotFound
	}
	return &v1alpha1.Hold{Source: "Datacenter/" + dc.Name, Reason: reason,
		Message:    fmt.Sprintf("Datacenter %s, %s: Secret %s in namespace %s: %v", dc.Name, field, name, dc.Namespace, err),
		ClearsWhen: "the Secret is there with its keys (looked at again every 30s)"}
}

// secret reads keys of a Secret, from the API server itself: Secrets are not cached or watched.
func (s *sites) secret(ctx context.Context, namespace, name string, keys ...string) ([][]byte, string, error) {
	var secret corev1.Secret
	if err := s.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &secret); err != nil {
		return nil, "", err
	}
	values := make([][]byte, 0, len(keys))
	for _, key := range keys {
		value, ok := secret.Data[key]
		if !ok || len(value) == 0 {
			return nil, "", fmt.Errorf("it has no key %s; add it", key)
		}
		values = append(values, value)
	}
	return values, name + "@" + secret.ResourceVersion, nil
}

// token gives a function that reads a bearer token, and reads it again once it is stale. Where the
// Datacenter is leaving, one that cannot be read any more is the last that was.
func (s *sites) token(namespace, name string, leaving *atomic.Bool) func(context.Context) (string, error) {
	var mu sync.Mutex
	var value string
	var read time.Time
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if value != "" && s.clock.Since(read) < min(tokenFresh, s.every) {
			return value, nil
		}
		data, _, err := s.secret(ctx, namespace, name, "token")
		if err != nil && value != "" && leaving.Load() {
			return value, nil
		}
		if err != nil {
			return "", err
		}
		value, read = string(data[0]), s.clock.Now()
		return value, nil
	}
}
