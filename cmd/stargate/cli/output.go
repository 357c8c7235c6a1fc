package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// outputFlag adds -o with the formats that a command has.
func (a *App) outputFlag(command *cobra.Command, output *string, formats ...string) {
	command.Flags().StringVarP(output, "output", "o", "", "Output format: "+strings.Join(formats, ", "))
	// The flag was added one line above.
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func checkOutput(output string, formats ...string) error {
	if output == "" || slices.Contains(formats, output) {
		return nil
	}
	return usagef("-o: expected %s, got %q", strings.Join(formats, ", "), render.Clean(output))
}

// structured tells whether a format is for programs.
func structured(output string) bool { return output == render.JSON || output == render.YAML }

// itemList is several API objects in one document, as kubectl prints it.
type itemList struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Items      []client.Object `json:"items"`
}

// printObjects writes API objects as they are: one alone, several as a list.
func (a *App) printObjects(output string, k kind, alone bool, objects ...client.Object) error {
	for _, object := range objects {
		typed(k, object)
	}
	if output == render.Name {
		for _, object := range objects {
			a.say("%s", k.fullName(object.GetName()))
		}
		return nil
	}
	if alone && len(objects) == 1 {
		return render.Structured(a.out, output, objects[0])
	}
	if objects == nil {
		objects = []client.Object{}
	}
	return render.Structured(a.out, output, itemList{APIVersion: "v1", Kind: "List", Items: objects})
}

// typed puts kind and version back, which clients leave out of what they decode.
func typed(k kind, object client.Object) {
	object.SetManagedFields(nil)
	object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{
		Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: k.title,
	})
}
