package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/engine/admission"
)

func (a *App) snapshotCommand() *cobra.Command {
	var output, file string
	var documents bool
	command := &cobra.Command{
		Use:   "snapshot",
		Short: "Write down what lives, for plans where no cluster is reached",
		Long: a.text(`Write down what lives, for stargate plan --snapshot where no cluster is reached, such as
on a pull request: fleets, datacenters, profiles, servers, groups, policies and hooks,
Operations that have not ended, and the latest repaves, which say how long they take.

No Secret is read. Documents of cloud-init are left out, but for a digest that tells
whether they change; --documents keeps them.`),
		Example: a.text(`  stargate snapshot > fleet.json
  stargate snapshot -f fleet.json`),
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, render.JSON, render.YAML); err != nil {
				return err
			}
			world, err := a.gather(cmd.Context(), a.now())
			if err != nil {
				return err
			}
			world.Redact(documents)
			for _, kind := range world.Missing {
				a.note("You may not list kind %s: it is left out", kind)
			}
			return a.saveSnapshot(world, file, output)
		},
	}
	command.Flags().StringVarP(&file, "file", "f", "", "Write it to this file, readable for you alone. Default: standard output")
	command.Flags().BoolVar(&documents, "documents", false, "Keep the documents of cloud-init, which may hold passwords and keys")
	a.outputFlag(command, &output, render.JSON, render.YAML)
	return command
}

// saveSnapshot writes a snapshot whole or not at all.
func (a *App) saveSnapshot(world *planning.World, name, output string) error {
	if name == "" {
		return world.Save(a.out, output)
	}
	file, err := os.OpenFile(name+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the person names it
	if err != nil {
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	err = errors.Join(world.Save(file, output), file.Close())
	if err == nil {
		err = os.Rename(name+".part", name)
	}
	if err != nil {
		_ = os.Remove(name + ".part")
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	a.note("%s: %s, %s, %s", render.Clean(name), render.Count(len(world.Servers), "server"), render.Count(len(world.Groups), "group"),
		render.Count(len(world.Operations), "operation"))
	return nil
}

// gather looks at the cluster, all namespaces.
func (a *App) gather(ctx context.Context, now time.Time) (*planning.World, error) {
	connected, err := a.wide()
	if err != nil {
		return nil, err
	}
	list := func(ctx context.Context, empty client.ObjectList) ([]client.Object, error) {
		return connected.all(ctx, empty, "", "")
	}
	world, err := planning.Gather(ctx, list, now)
	if err != nil {
		return nil, err
	}
	world.Vouches, err = connected.vouches(ctx)
	return world, err
}

// wide connects with the kinds that no other command reads.
func (a *App) wide() (*cluster, error) {
	connected, err := a.connect()
	if err != nil {
		return nil, err
	}
	config, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	mapper := meta.MultiRESTMapper{knownKinds(), furtherKinds()}
	connected.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: engine.Scheme(), Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return connected, nil
}

// vouches tells what admission vouches for; nil for somebody who may not look.
func (c *cluster) vouches(ctx context.Context) (*planning.Vouches, error) {
	wanted, err := config.Admission()
	if err != nil {
		return nil, err
	}
	guards, err := admission.Probe(ctx, c, wanted)
	switch {
	case apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking at the admission policies: %w", err)
	}
	v := admission.VouchesOf(guards)
	return &planning.Vouches{Requester: v.Requester, Source: v.Source, Approvals: v.Approvals, Overrides: v.Overrides, Since: v.Since}, nil
}

// furtherKinds are those that no other command reads.
func furtherKinds() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"Policy", "Hook"} {
		mapper.Add(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: kind}, meta.RESTScopeRoot)
	}
	return mapper
}
