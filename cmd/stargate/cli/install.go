package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

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
	for _, object := range objects {
		if err := a.applyOne(ctx, installer, object); err != nil {
			return err
		}
	}
	return a.untilServed(ctx, installer, objects)
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

func (a *App) applyOne(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	name := strings.ToLower(object.GetKind()) + "/" + object.GetName()
	applied := object.DeepCopy()
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner(installManager), client.ForceOwnership)
	if meta.IsNoMatchError(err) && strings.Contains(object.GetKind(), "AdmissionPolicy") {
		a.note("%s: this API server does not serve the kind, so it is left out; see: %s check", name, a.name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("applying %s: %w", name, err)
	}
	a.say("%s applied", name)
	return nil
}

// untilServed waits until every CRD among the objects is served.
func (a *App) untilServed(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	waiting := false
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		for {
			served, err := isServed(ctx, c, object)
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

func isServed(ctx context.Context, c client.Client, crd *unstructured.Unstructured) (bool, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(crd.GroupVersionKind())
	err := c.Get(ctx, client.ObjectKeyFromObject(crd), found)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil && preflight.Established(found), err
}
