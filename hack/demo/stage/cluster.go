package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"stargate.io/stargate/api/v1alpha1"
)

// cluster is the one that the demo works in: its own, or one of the user's, named.
type cluster struct {
	client.Client
	kubeconfig string // empty for the user's
	context    string
}

func (d *demo) startCluster(ctx context.Context) error {
	began := time.Now()
	if d.Context != "" {
		return d.joinCluster(ctx)
	}
	kubeconfig, ready := filepath.Join(d.dir, "kubeconfig"), filepath.Join(d.dir, "ready")
	// Its data goes with the demo: no need to wait for the disk.
	plane, err := d.crew.start("controlplane", "controlplane", "--data", filepath.Join(d.dir, "controlplane"),
		"--kubeconfig", kubeconfig, "--ready-file", ready, "--unsafe-no-fsync")
	if err != nil {
		return err
	}
	if err := plane.until(ctx, time.Minute, func() bool { _, err := os.Stat(ready); return err == nil }); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if d.cluster, err = connect(config); err != nil {
		return err
	}
	d.cluster.kubeconfig = kubeconfig
	if err := d.install(ctx); err != nil {
		return err
	}
	d.told("cluster", "etcd + kube-apiserver on %-37s %s", strings.TrimPrefix(config.Host, "https://"), since(began))
	return nil
}

// joinCluster uses the cluster that was asked for by name, and refuses namespaces that are not the demo's.
func (d *demo) joinCluster(ctx context.Context) error {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(),
		&clientcmd.ConfigOverrides{CurrentContext: d.Context}).ClientConfig()
	if err != nil {
		return fmt.Errorf("reading context %s of your kubeconfig: %w", d.Context, err)
	}
	joined, err := connect(config)
	if err != nil {
		return err
	}
	joined.context = d.Context
	for _, plan := range plans {
		var namespace corev1.Namespace
		err := joined.Get(ctx, client.ObjectKey{Name: plan.name}, &namespace)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("asking for namespace %s: %w", plan.name, err)
		}
		if err == nil && namespace.Labels[label] == "" {
			return fmt.Errorf("namespace %s of context %s is not a demo's; it is left alone, and the demo cannot run there", plan.name, d.Context)
		}
	}
	d.cluster = joined
	if err := joined.clean(); err != nil { // an earlier demo, killed
		return err
	}
	if err := d.install(ctx); err != nil {
		return err
	}
	d.told("cluster", "context %s, as you asked; Stargate's kinds stay there", d.Context)
	return nil
}

// install puts Stargate's kinds and admission policies in place, with the program people use for that.
func (d *demo) install(ctx context.Context) error {
	install := exec.CommandContext(ctx, filepath.Join("bin", "stargate"), append(d.cluster.flags(), "install", "--apply", "--only", "crds,admission")...)
	if said, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("installing Stargate's kinds: %w\n%s", err, said)
	}
	return d.cluster.settled(ctx)
}

func connect(config *rest.Config) (*cluster, error) {
	config.QPS = -1
	log.SetLogger(logr.Discard()) // else the client complains, in the middle of the screen, that it has none
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	kube, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return &cluster{Client: kube}, nil
}

// flags for the stargate binary.
func (c *cluster) flags() []string {
	if c.context != "" {
		return []string{"--context", c.context}
	}
	return []string{"--kubeconfig", c.kubeconfig}
}

func (c *cluster) howToReach() string {
	if c.context != "" {
		return "kubectl config use-context " + c.context
	}
	return "export KUBECONFIG=" + c.kubeconfig
}

// clean removes the demo's namespaces from a cluster of the user's. Its machines only pretended, so no job needs to be
// seen out: finalizers are taken off.
func (c *cluster) clean() error {
	if c.context == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.forgetFleet(ctx); err != nil {
		return err
	}
	for _, plan := range plans {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: plan.name}}
		if err := c.Delete(ctx, namespace); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting namespace %s: %w", plan.name, err)
		}
		for {
			if err := c.Get(ctx, client.ObjectKey{Name: plan.name}, namespace); apierrors.IsNotFound(err) {
				break
			} else if err != nil {
				return fmt.Errorf("waiting for the end of namespace %s: %w", plan.name, err)
			}
			if err := c.letGo(ctx, plan.name); err != nil {
				return err
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	return nil
}

// forgetFleet removes what the demo made that is in no namespace.
func (c *cluster) forgetFleet(ctx context.Context) error {
	fleet := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: fleetName}}
	if err := client.IgnoreNotFound(c.Delete(ctx, fleet)); err != nil && !apimeta.IsNoMatchError(err) {
		return fmt.Errorf("deleting Fleet %s: %w", fleetName, err)
	}
	for _, kind := range []client.Object{&v1alpha1.Policy{}, &v1alpha1.Hook{}} {
		if err := c.DeleteAllOf(ctx, kind, client.MatchingLabels{v1alpha1.LabelFleet: fleetName}); err != nil && !apimeta.IsNoMatchError(err) {
			return fmt.Errorf("deleting what Fleet %s brought: %w", fleetName, err)
		}
	}
	return nil
}

// letGo takes the finalizers off what is left in a namespace.
func (c *cluster) letGo(ctx context.Context, namespace string) error {
	off := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	for _, list := range []client.ObjectList{&v1alpha1.OperationList{}, &v1alpha1.ServerList{}, &v1alpha1.DatacenterList{}} {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return fmt.Errorf("listing what is left in %s: %w", namespace, err)
		}
		objects, err := apimeta.ExtractList(list)
		if err != nil {
			return fmt.Errorf("reading what is left in %s: %w", namespace, err)
		}
		for _, each := range objects {
			object, ok := each.(client.Object)
			if !ok {
				continue
			}
			if len(object.GetFinalizers()) == 0 {
				continue
			}
			if err := c.Patch(ctx, object, off); client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("letting go of %s: %w", object.GetName(), err)
			}
		}
	}
	return nil
}

// settled waits until the server takes Servers and stamps them, which is a moment after it says that kinds and policies
// are there. A server that knows no such policies stamps nothing: that is waited for only so long.
func (c *cluster) settled(ctx context.Context) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		probe := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "probe"},
			Spec: v1alpha1.ServerSpec{MAC: "02:00:00:00:00:01"}}
		err := c.Create(ctx, probe, client.DryRunAll)
		switch {
		case err == nil && len(probe.Finalizers) > 0:
			return nil
		case time.Now().After(deadline):
			if err != nil {
				return fmt.Errorf("waiting for Stargate's kinds: %w", err)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
