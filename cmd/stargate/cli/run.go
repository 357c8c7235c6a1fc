package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
)

// runOptions are the flags of `stargate run`.
type runOptions struct {
	engine    engine.Options
	logFormat string
	verbosity int
}

func (a *App) runCommand() *cobra.Command {
	options := &runOptions{}
	command := &cobra.Command{
		Use:   "run",
		Short: "Run the controllers",
		Long: `Run the controllers until told to stop (SIGINT or SIGTERM). Replicas elect a
leader; one that stops or dies leaves its Operations to the next, which goes on
where they stand.`,
		Example: a.text(`  # against the current context, all namespaces
  stargate run

  # a bare quick start: one datacenter, no Datacenter object
  stargate run --leader-elect=false --dc-url http://localhost:8080

  # one instance of several, each with namespaces of its own; it works one fleet
  stargate run --namespace-selector region=eu --fleets eu

  # take push notices at /sync/<fleet>, behind something that ends TLS
  stargate run --notice-address :9292`),
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), options) },
	}
	options.bind(command.Flags())
	return command
}

func (o *runOptions) bind(flags *pflag.FlagSet) {
	e := &o.engine
	flags.StringSliceVar(&e.Namespaces, "namespaces", nil, "Namespaces to look after, comma-separated. Default: all")
	flags.StringVar(&e.NamespaceSelector, "namespace-selector", "", "Look after namespaces with these labels, for example region=eu")
	flags.BoolVar(&e.LeaderElect, "leader-elect", true, "Let one of several replicas work at a time")
	flags.StringVar(&e.LeaderElectionNamespace, "leader-elect-namespace", config.SystemNamespace, "Namespace of the Lease that replicas contend for")
	flags.StringVar(&e.DatacenterURL, "dc-url", "", "Site that serves namespaces without a Datacenter, for example http://localhost:8080")
	flags.StringVar(&e.DatacenterURL, "dc-api-url", "", "Same as --dc-url")
	flags.Lookup("dc-api-url").Hidden = true
	flags.StringSliceVar(&e.Fleets, "fleets", nil, "Fleets to work, comma-separated. Default: all; with --namespaces or --namespace-selector: none")
	flags.StringVar(&e.NoticeAddress, "notice-address", "", "Where push notices of git servers are taken, for example :9292. Default: nowhere")
	flags.StringVar(&e.MetricsAddress, "metrics-address", "127.0.0.1:8383", `Where /metrics is served; "0" for nowhere`)
	flags.StringVar(&e.HealthAddress, "health-address", "127.0.0.1:8384", `Where /healthz and /readyz are served; "0" for nowhere`)
	flags.StringVar(&e.PprofAddress, "pprof-address", "", "Where /debug/pprof is served. Default: nowhere")
	flags.IntVar(&e.Workers, "workers", 0, "Operations to decide on at once. Default: 16")
	flags.IntVar(&e.HookWorkers, "hook-workers", 0, "Processes that run hooks. Default: 8")
	flags.DurationVar(&e.HookDeadline, "hook-deadline", 0, "Longest time that one run of a hook may take. Default: 30s")
	flags.Float32Var(&e.ClientQPS, "client-qps", 0, "Requests a second to the API server. Default: left to the server's own fairness")
	flags.IntVar(&e.ClientBurst, "client-burst", 0, "Requests to the API server above --client-qps for a moment")
	flags.StringVar(&o.logFormat, "log-format", "text", "How to log: text or json")
	flags.IntVarP(&o.verbosity, "v", "v", 0, "How much to log: 0 to 9")
}

// check finds what cannot work before anything is asked of a cluster.
func (o *runOptions) check() error {
	if o.logFormat != "text" && o.logFormat != "json" {
		return usagef("--log-format: expected text or json, got %q", o.logFormat)
	}
	for _, namespace := range o.engine.Namespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			return usagef("--namespaces: %q is no namespace: %s", namespace, problems[0])
		}
	}
	if _, err := labels.Parse(o.engine.NamespaceSelector); err != nil {
		return usagef("--namespace-selector: %v", err)
	}
	o.orNowhere()
	if min(float64(o.engine.Workers), float64(o.engine.ClientQPS), float64(o.engine.ClientBurst), float64(o.engine.HookWorkers), o.engine.HookDeadline.Seconds()) < 0 {
		return usagef("--workers, --client-qps, --client-burst, --hook-workers and --hook-deadline cannot be below zero")
	}
	return nil
}

// orNowhere takes "0" for an address at which nothing is served.
func (o *runOptions) orNowhere() {
	for _, address := range []*string{&o.engine.MetricsAddress, &o.engine.HealthAddress, &o.engine.PprofAddress, &o.engine.NoticeAddress} {
		if *address == "0" {
			*address = ""
		}
	}
}

func (a *App) run(ctx context.Context, options *runOptions) error {
	if err := options.check(); err != nil {
		return err
	}
	restConfig, err := a.flags.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	options.engine.Logger = a.logger(options)
	klog.SetLogger(options.engine.Logger)
	ctrl.SetLogger(options.engine.Logger)
	restConfig.WarningHandler = nil // what the server warns of is logged, not printed
	options.engine.RESTConfig = restConfig
	if options.engine.Kinds, err = config.CRDs(); err != nil {
		return err
	}
	if options.engine.Admission, err = config.Admission(); err != nil {
		return err
	}
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	if err := cluster.kindsServed(ctx, options.engine.Namespaces); err != nil {
		return err
	}
	if err := cluster.leaseNamespace(ctx, &options.engine); err != nil {
		return err
	}
	options.engine.Logger.Info("starting", "version", buildVersion(), "namespaces", render.Or(strings.Join(options.engine.Namespaces, ","), "all"))
	return engine.Run(ctx, options.engine)
}

func (a *App) logger(options *runOptions) logr.Logger {
	handler := &slog.HandlerOptions{Level: slog.Level(-options.verbosity)}
	if options.logFormat == "json" {
		return logr.FromSlogHandler(slog.NewJSONHandler(a.err, handler))
	}
	return logr.FromSlogHandler(slog.NewTextHandler(a.err, handler))
}

// kindsServed asks for one object of each kind: informers would wait minutes for a kind that is
// missing, and say only that they timed out.
func (c *cluster) kindsServed(ctx context.Context, namespaces []string) error {
	namespace := ""
	if len(namespaces) > 0 {
		namespace = namespaces[0]
	}
	for _, each := range kinds() {
		if err := c.List(ctx, each.list(), client.InNamespace(namespace), client.Limit(1)); err != nil {
			return err
		}
	}
	return nil
}

// leaseNamespace makes the Lease's namespace where a person runs the controller from a kubeconfig
// and installed nothing but the kinds. In a cluster it is there, as the controller's own.
func (c *cluster) leaseNamespace(ctx context.Context, options *engine.Options) error {
	if _, err := rest.InClusterConfig(); err == nil || !options.LeaderElect {
		return nil
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: options.LeaderElectionNamespace}}
	err := c.Create(ctx, namespace, client.FieldOwner(fieldManager))
	// Who may not create namespaces may still use one that somebody else made.
	if err == nil || apierrors.IsAlreadyExists(err) || apierrors.IsForbidden(err) {
		return nil
	}
	return fmt.Errorf("creating namespace %s for the Lease: %w", options.LeaderElectionNamespace, err)
}
