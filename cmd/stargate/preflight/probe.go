package preflight

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers/dcapi"
)

// probe asks a site from this machine, with the credentials that the controller uses, and gives the
// API version that it speaks.
func probe(ctx context.Context, reader client.Reader, dc *v1alpha1.Datacenter) (string, error) {
	if dc.Spec.Driver != v1alpha1.DriverDCAPI && dc.Spec.Driver != v1alpha1.DriverSimulator {
		return "", fmt.Errorf("this build has no driver %s", dc.Spec.Driver)
	}
	config, err := siteConfig(ctx, secrets{reader, dc.Namespace}, dc)
	if err != nil {
		return "", err
	}
	driver, err := dcapi.New(config)
	if err != nil {
		return "", err
	}
	capabilities, err := driver.Probe(ctx)
	return capabilities.Version, err
}

func siteConfig(ctx context.Context, from secrets, dc *v1alpha1.Datacenter) (dcapi.Config, error) {
	config := dcapi.Config{Endpoint: dc.Spec.Endpoint, Name: dc.Namespace + "/" + dc.Name, Timeout: probePatience / 3}
	if ref := dc.Spec.CredentialsRef; ref != nil {
		token, err := from.read(ctx, ref.Name, "token")
		if err != nil {
			return config, err
		}
		config.Token = func(context.Context) (string, error) { return string(token), nil }
	}
	tls := dc.Spec.TLS
	if tls == nil {
		return config, nil
	}
	config.ServerName, config.InsecureSkipVerify = tls.ServerName, tls.InsecureSkipVerify
	var err error
	if tls.CARef != nil {
		if config.CAPEM, err = from.read(ctx, tls.CARef.Name, tls.CARef.Key); err != nil {
			return config, err
		}
	}
	if tls.ClientCertRef != nil {
		if config.ClientCertPEM, err = from.read(ctx, tls.ClientCertRef.Name, corev1.TLSCertKey); err != nil {
			return config, err
		}
		config.ClientKeyPEM, err = from.read(ctx, tls.ClientCertRef.Name, corev1.TLSPrivateKeyKey)
	}
	return config, err
}

// secrets reads Secrets of one namespace. Their content goes to the driver and nowhere else.
type secrets struct {
	reader    client.Reader
	namespace string
}

func (s secrets) read(ctx context.Context, name, key string) ([]byte, error) {
	var secret corev1.Secret
	if err := s.reader.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, &secret); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	value := secret.Data[key]
	if len(value) == 0 {
		return nil, fmt.Errorf("reading Secret %s: it has no key %s", name, key)
	}
	return value, nil
}
