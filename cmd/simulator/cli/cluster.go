package cli

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"stargate.io/stargate/cmd/simulator/cluster"
	"stargate.io/stargate/simulator"
)

// clusterOptions say which cluster the simulator's namespace is in, and that its Operations are run here.
type clusterOptions struct {
	kubeconfig string
	context    string
	namespace  string
	datacenter string
	operate    bool
}

func (o *clusterOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Cluster in which to register, and whose Operations in --namespace to run. Default: none")
	flags.StringVar(&o.context, "context", "", "Context of the kubeconfig. Default: its current one")
	flags.StringVar(&o.namespace, "namespace", cluster.DefaultNamespace, "Namespace of the simulated datacenter")
	flags.StringVar(&o.datacenter, "datacenter", cluster.DefaultDatacenter, "Name of its Datacenter object")
	flags.BoolVar(&o.operate, "operate", true, "Run the namespace's Operations; false where a controller elsewhere looks after it")
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

// run the simulator's part in the cluster until ctx ends.
func (o *clusterOptions) run(ctx context.Context, endpoint, token string, machines func() []simulator.Status, log *slog.Logger) error {
	restConfig, err := o.restConfig()
	if err != nil {
		return err
	}
	cluster.Run(ctx, cluster.Config{
		RESTConfig: restConfig, Namespace: o.namespace, Datacenter: o.datacenter, Endpoint: endpoint, Token: token, FacesOnly: !o.operate,
		Machines: machines, Log: logr.FromSlogHandler(log.Handler()),
	})
	return nil
}
