package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// completionPatience is how long a person waits after pressing tab.
const completionPatience = 3 * time.Second

// pluginCompletion is what kubectl runs for `kubectl stargate <tab>`, by this name on the PATH.
const pluginCompletion = `#!/usr/bin/env sh
# Save as kubectl_complete-stargate, executable, in a folder of the PATH.
exec kubectl stargate __complete "$@"
`

func (a *App) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "kubectl"}
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print a completion script",
		Long: `Print the script that makes a shell complete commands, flags, and the names of
servers, operations, groups, fleets, profiles and datacenters.`,
		Example: `  source <(stargate completion bash)
  stargate completion zsh > "${fpath[1]}/_stargate"
  stargate completion fish | source

  # for kubectl stargate
  stargate completion kubectl > ~/bin/kubectl_complete-stargate; chmod +x ~/bin/kubectl_complete-stargate`,
		ValidArgs: shells,
		Args:      exactly(1, strings.Join(shells, ", ")),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			// The scripts are for the binary's own name; kubectl has its own way.
			delete(root.Annotations, cobra.CommandDisplayNameAnnotation)
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			case "kubectl":
				_, err := a.out.Write([]byte(pluginCompletion))
				return err
			}
			return usagef("expected %s, got %q", strings.Join(shells, ", "), args[0])
		},
	}
}

// complete is what cobra asks for the words that may come next.
type complete = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeNames completes names of a kind, each once.
func (a *App) completeNames(k kind) complete {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		return a.namesOf(cmd.Context(), k, args, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTarget completes a kind, then names of it.
func (a *App) completeTarget(allowed ...kind) complete {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			found, err := findKind(args[0], allowed)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.namesOf(cmd.Context(), found, args[1:], typed), cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		for _, each := range allowed {
			if strings.HasPrefix(each.singular, typed) {
				words = append(words, each.singular)
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// namesOf asks for the first page only: nobody reads a thousand completions.
func (a *App) namesOf(ctx context.Context, k kind, used []string, typed string) []string {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	cluster, err := a.connect()
	if err != nil {
		return nil
	}
	page := k.list()
	if err := cluster.List(ctx, page, client.InNamespace(cluster.namespace), client.Limit(pageSize)); err != nil {
		return nil
	}
	seen := map[string]bool{}
	for _, name := range used {
		seen[name] = true
	}
	var names []string
	_ = meta.EachListItem(page, func(item runtime.Object) error {
		if object, ok := item.(client.Object); ok && strings.HasPrefix(object.GetName(), typed) && !seen[object.GetName()] {
			names = append(names, object.GetName())
		}
		return nil
	})
	return names
}
