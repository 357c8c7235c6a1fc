package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/cmd/stargate/render"
)

func (a *App) uninstallCommand() *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use:   "uninstall",
		Short: "Delete the kinds, with every object of them, and the roles and policies",
		Long: `Delete what install applies. With the kinds go all Servers, Operations and the
rest; machines are not touched. It asks first, and refuses while an Operation has
not ended: its job would run on with nobody to see it out.`,
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.uninstall(cmd.Context(), yes) },
	}
	command.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask")
	return command
}

func (a *App) uninstall(ctx context.Context, yes bool) error {
	cluster, err := a.connect()
	if err != nil {
		return err
	}
	counts, err := cluster.countAll(ctx)
	if err != nil {
		return err
	}
	a.note("This deletes from %s: %s, with the kinds. No machine is touched.", a.serverName(), counts)
	if !yes {
		if err := a.ask(ctx, "Delete all of it?"); err != nil {
			return err
		}
	}
	ours, err := manifests()
	if err != nil {
		return err
	}
	installer, err := a.installer()
	if err != nil {
		return err
	}
	// What guards objects goes first, so that it cannot stand in the way; the controller's role goes
	// last, as it lets objects go that are in use.
	if err := a.deleteAll(ctx, installer, ours, partAdmission, partCRDs); err != nil {
		return err
	}
	if err := a.untilGone(ctx, installer, ours[partCRDs]); err != nil {
		return err
	}
	return a.deleteAll(ctx, installer, ours, partRBAC)
}

// deleteAll deletes what install applied of some parts, in the reverse order.
func (a *App) deleteAll(ctx context.Context, c client.Client, all map[string][]*unstructured.Unstructured, parts ...string) error {
	for _, part := range parts {
		for _, object := range slices.Backward(all[part]) {
			name := strings.ToLower(object.GetKind()) + "/" + object.GetName()
			err := c.Delete(ctx, object.DeepCopy())
			switch {
			case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
			case err != nil:
				return fmt.Errorf("deleting %s: %w", name, err)
			default:
				a.say("%s deleted", name)
			}
		}
	}
	return nil
}

// untilGone waits until the kinds are gone with all their objects. Objects that a finalizer keeps
// need the controller to let them go.
func (a *App) untilGone(ctx context.Context, c client.Client, crds []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	for _, crd := range crds {
		for {
			found := &unstructured.Unstructured{}
			found.SetGroupVersionKind(crd.GroupVersionKind())
			err := c.Get(ctx, client.ObjectKeyFromObject(crd), found)
			if apierrors.IsNotFound(err) {
				break
			}
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("waiting until %s is gone: %w", crd.GetName(), err)
			}
			if !pause(ctx, servedPause) {
				return &exitError{code: exitTimedOut, message: fmt.Sprintf(
					"%s is being deleted and not gone after %s: objects that are in use wait for a controller to let them go (%s run)", crd.GetName(), servedTimeout, a.name)}
			}
		}
	}
	return nil
}

// countAll says how much would go, and refuses while something runs.
func (c *cluster) countAll(ctx context.Context) (string, error) {
	var words, running []string
	for _, each := range kinds() {
		objects, err := c.all(ctx, each.list(), "", "")
		if noSuchKind(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		words = append(words, render.Count(len(objects), each.title))
		if each.ended == nil {
			continue
		}
		for _, object := range objects {
			if !each.ended(object) {
				running = append(running, key(object))
			}
		}
	}
	if len(running) > 0 {
		return "", failf("%s not ended, for example %s: wait for the end or cancel first", render.Count(len(running), "Operation")+" has", running[0])
	}
	return strings.Join(words, ", "), nil
}

// serverName is the API server's address, so that nobody deletes from the wrong cluster.
func (a *App) serverName() string {
	config, err := a.flags.ToRESTConfig()
	if err != nil {
		return "the cluster"
	}
	return config.Host
}
