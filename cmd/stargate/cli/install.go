package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/preflight"
	"stargate.io/stargate/config"
)

const (
	// installManager owns what install applies, so that the fields of others stay theirs.
	installManager = "stargate-install"
	// servedTimeout is how long a kind may take to be served.
	servedTimeout = time.Minute
	servedPause   = 200 * time.Millisecond
)

func (a *App) installCommand() *cobra.Command {
	var apply bool
	var only, datacenters []string
	command := &cobra.Command{
		Use:   "install",
		Short: "Print or apply the kinds, roles and admission policies",
		Long: `Print what a cluster needs for Stargate: the kinds (CRDs), the roles of its
controllers and users, and the admission policies. With --apply it is applied
(server-side) and waited for. Doing it again changes nothing; doing it with a newer
binary upgrades.`,
		Example: a.text(`  stargate install | kubectl diff -f -
  stargate install --apply
  stargate install --apply --only crds

  # let the controller read the credentials of two datacenters
  stargate install --apply --secrets-of dc-west,dc-east`),
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			parts, err := chosenParts(only)
			if err != nil {
				return err
			}
			for _, namespace := range datacenters {
				if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
					return usagef("--secrets-of: %q is no namespace: %s", namespace, problems[0])
				}
			}
			return a.install(cmd.Context(), parts, datacenters, apply)
		},
	}
	command.Flags().BoolVar(&apply, "apply", false, "Apply it instead of printing it")
	command.Flags().StringSliceVar(&only, "only", nil, "Only these parts, comma-separated: "+strings.Join(allParts, ", "))
	command.Flags().StringSliceVar(&datacenters, "secrets-of", nil, "Namespaces whose Secrets the controller may read, comma-separated: those of datacenters with credentials")
	// The flag was added above.
	_ = command.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(allParts, cobra.ShellCompDirectiveNoFileComp))
	return command
}

// chosenParts reads --only; nothing means all. They are applied in the order of allParts.
func chosenParts(only []string) ([]string, error) {
	if len(only) == 0 {
		return allParts, nil
	}
	for _, part := range only {
		if !contains(allParts, part) {
			return nil, usagef("--only: expected %s, got %q", strings.Join(allParts, ", "), part)
		}
	}
	var chosen []string
	for _, part := range allParts {
		if contains(only, part) {
			chosen = append(chosen, part)
		}
	}
	return chosen, nil
}

func (a *App) install(ctx context.Context, parts, datacenters []string, apply bool) error {
	ours, err := manifests()
	if err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	for _, part := range parts {
		objects = append(objects, ours[part]...)
	}
	for _, namespace := range datacenters {
		objects = append(objects, config.DatacenterAccess(namespace))
	}
	if !apply {
		return a.printManifests(objects)
	}
	installer, err := a.installer()
	if err != nil {
		return err
	}
	var applied []*unstructured.Unstructured
	for _, object := range objects {
		ok, err := a.applyOne(ctx, installer, object)
		if err != nil {
			return err
		}
		if ok {
			applied = append(applied, object)
		}
	}
	if err := a.untilServed(ctx, installer, applied); err != nil {
		return err
	}
	return a.untilStamped(ctx, installer, applied)
}

func (a *App) printManifests(objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return fmt.Errorf("writing %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if _, err := fmt.Fprintf(a.out, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// installer is a client that asks the server which kinds it has: what is installed is of many, and
// a server may lack some.
func (a *App) installer() (client.Client, error) {
	restConfig, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	made, err := client.New(restConfig, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return made, nil
}

// applyOne tells whether it applied the object: an admission policy that the server is too old for is
// left out.
func (a *App) applyOne(ctx context.Context, c client.Client, object *unstructured.Unstructured) (bool, error) {
	name := strings.ToLower(object.GetKind()) + "/" + object.GetName()
	applied := object.DeepCopy()
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner(installManager), client.ForceOwnership)
	if meta.IsNoMatchError(err) && strings.Contains(object.GetKind(), "AdmissionPolicy") {
		a.note("%s: this API server does not serve the kind, so it is left out; see: %s check", name, a.name)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("applying %s: %w", name, err)
	}
	a.say("%s applied", name)
	return true, nil
}

// untilServed waits until every CRD among the objects is served.
func (a *App) untilServed(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	asked, err := a.discovery()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	waiting := false
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		for {
			served, err := isServed(ctx, c, asked, object)
			if err != nil {
				return fmt.Errorf("waiting for %s: %w", object.GetName(), err)
			}
			if served {
				break
			}
			if !waiting {
				a.note("waiting for the kinds to be served")
				waiting = true
			}
			if !pause(ctx, servedPause) {
				return &exitError{code: exitTimedOut, message: fmt.Sprintf("%s is not served after %s; see: kubectl describe crd %s", object.GetName(), servedTimeout, object.GetName())}
			}
		}
	}
	return nil
}

// isServed tells whether objects of a kind can be made: the CRD says so, and so does discovery, which
// is what kubectl goes by and comes a moment later.
func isServed(ctx context.Context, c client.Client, asked discovery.DiscoveryInterface, crd *unstructured.Unstructured) (bool, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(crd.GroupVersionKind())
	err := c.Get(ctx, client.ObjectKeyFromObject(crd), found)
	if apierrors.IsNotFound(err) || (err == nil && !preflight.Established(found)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	served, err := asked.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	return slices.ContainsFunc(served.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind }), nil
}

// untilStamped waits until new Operations are stamped with who asked for them. Admission policies
// learn of kinds some seconds later than everybody else, and refuse what is created until then.
func (a *App) untilStamped(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	if !slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "MutatingAdmissionPolicy" }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	for {
		switch stamped, err := isStamped(ctx, c); {
		case stamped:
			return nil
		// Without the kinds, or without the right to make one, there is nothing to wait for.
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err), apierrors.IsForbidden(err), apierrors.IsInvalid(err):
			return nil
		}
		if !pause(ctx, servedPause) {
			return &exitError{code: exitTimedOut, message: fmt.Sprintf("the admission policies are not in force after %s; see: %s check", servedTimeout, a.name)}
		}
	}
}

// isStamped has an Operation made, dry, and looks at what comes back.
func isStamped(ctx context.Context, c client.Client) (bool, error) {
	probe := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"operation": string(v1alpha1.ActionInspect), "serverRef": map[string]any{"name": "none"}},
	}}
	probe.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Operation"))
	probe.SetNamespace(metav1.NamespaceDefault)
	probe.SetName("stargate-install-probe")
	err := c.Create(ctx, probe, client.DryRunAll, client.FieldOwner(installManager))
	return err == nil && probe.GetAnnotations()[v1alpha1.AnnotationRequester] != "", err
}
