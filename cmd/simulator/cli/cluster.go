package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
)

// fieldOwner of what the simulator registers in a cluster.
const fieldOwner = "stargate-simulator"

// clusterOptions say which cluster the simulator's namespace is in, and that its Operations are run here.
type clusterOptions struct {
	kubeconfig string
	context    string
	namespace  string
	datacenter string
}

func (o *clusterOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Cluster in which to register, and whose Operations in --namespace to run. Default: none")
	flags.StringVar(&o.context, "context", "", "Context of the kubeconfig. Default: its current one")
	flags.StringVar(&o.namespace, "namespace", "dc-simulator", "Namespace of the simulated datacenter")
	flags.StringVar(&o.datacenter, "datacenter", "simulator", "Name of its Datacenter object")
}

func (o *clusterOptions) check() error {
	for flag, name := range map[string]string{"namespace": o.namespace, "datacenter": o.datacenter} {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			return usagef("%s %q: %s", flag, name, problems[0])
		}
	}
	return nil
}

func (o *clusterOptions) restConfig() (*rest.Config, error) {
	restConfig, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.kubeconfig}, &clientcmd.ConfigOverrides{CurrentContext: o.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	restConfig.QPS, restConfig.Burst = -1, -1 // the server's own fairness is the bound
	return restConfig, nil
}

// run registers the datacenter, and runs its namespace's Operations until ctx ends.
func (o *clusterOptions) run(ctx context.Context, endpoint, token string, log *slog.Logger) error {
	logger := logr.FromSlogHandler(log.Handler())
	klog.SetLogger(logger)
	ctrl.SetLogger(logger)
	restConfig, err := o.restConfig()
	if err != nil {
		return err
	}
	if err := o.register(ctx, restConfig, endpoint, token); err != nil {
		return err
	}
	log.Info("the datacenter is registered", "namespace", o.namespace, "datacenter", o.datacenter)
	policies, err := config.Admission()
	if err != nil {
		return err
	}
	return engine.Run(ctx, engine.Options{
		RESTConfig: restConfig, Namespaces: []string{o.namespace}, LeaderElectionNamespace: o.namespace, Admission: policies, Logger: logger,
	})
}

// registerPatience is how long the cluster may take to be registered in.
const registerPatience = time.Minute

// register writes the Namespace and the Datacenter, and the Secret with the token where there is one.
func (o *clusterOptions) register(ctx context.Context, restConfig *rest.Config, endpoint, token string) error {
	ctx, cancel := context.WithTimeout(ctx, registerPatience)
	defer cancel()
	cluster, err := client.New(restConfig, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		return fmt.Errorf("reaching the cluster of --kubeconfig: %w", err)
	}
	for _, object := range o.objects(endpoint, token) {
		//nolint:staticcheck // typed objects are applied: there are no generated apply configurations of our kinds
		if err := cluster.Patch(ctx, object, client.Apply, client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
			return fmt.Errorf("registering the datacenter: writing %s %s: %w (are the kinds installed? stargate install --apply)",
				object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
		}
	}
	return nil
}

func (o *clusterOptions) objects(endpoint, token string) []client.Object {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: o.namespace} }
	datacenter := &v1alpha1.Datacenter{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Datacenter"},
		ObjectMeta: meta(o.datacenter),
		Spec:       v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverSimulator, Endpoint: endpoint},
	}
	objects := []client.Object{&corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: o.namespace},
	}}
	if token != "" {
		datacenter.Spec.CredentialsRef = &v1alpha1.SecretReference{Name: o.datacenter}
		objects = append(objects, &corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: meta(o.datacenter), StringData: map[string]string{"token": token},
		})
	}
	return append(objects, datacenter)
}
